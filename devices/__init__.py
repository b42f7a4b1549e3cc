"""The boards, one small file each, and what is known of them."""
