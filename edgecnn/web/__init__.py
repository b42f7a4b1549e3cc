"""The camera's web page: live picture, people, enrolment. Runs on the board, with ``[web]``."""
