"""Password, attempts, sessions: by clocks that the test moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import DataError, StorageError
from edgecnn.web import sessions
from edgecnn.web.password import HASH, LONGEST, Password, usual_place
from edgecnn.web.sessions import Sessions
from edgecnn.web.throttle import ALL, MOST_ADDRESSES, ONE, Allowance, Throttle, network_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestPassword:
    def test_it_is_hashed_as_owasp_recommends_and_only_the_owner_reads_it(
        self, tmp_path: Path
    ) -> None:
        import argon2

        password = Password(tmp_path / "a" / "web-password")
        assert not password.is_set and not password.check("")
        password.set_first("three old words")
        text = password.path.read_text().strip()
        found = argon2.extract_parameters(text)
        assert found.type is argon2.Type.ID and found.memory_cost >= 19 * 1024
        assert found.time_cost >= 2 and HASH["memory_cost"] == found.memory_cost
        assert password.path.stat().st_mode & 0o777 == 0o600
        assert [p.name for p in password.path.parent.iterdir()] == ["web-password"]
        again = Password(password.path)
        assert again.check("three old words") and not again.check("three old word")

    def test_there_is_one_first_password(self, tmp_path: Path) -> None:
        a, b = Password(tmp_path / "p"), Password(tmp_path / "p")
        a.set_first("three old words")
        with pytest.raises(DataError, match="set already"):
            a.set_first("four other words here")
        with pytest.raises(StorageError, match="File exists"):
            b.set_first("four other words here")  # another process, at the same moment
        assert not b.is_set and Password(tmp_path / "p").check("three old words")

    @pytest.mark.parametrize("text", ["", "short", "x" * (LONGEST + 1)])
    def test_its_length_is_bounded(self, tmp_path: Path, text: str) -> None:
        password = Password(tmp_path / "p")
        with pytest.raises(DataError, match="expected a password of 10 to 256 characters"):
            password.set_first(text)
        assert list(tmp_path.iterdir()) == []

    def test_change(self, tmp_path: Path) -> None:
        password = Password(tmp_path / "p")
        password.set_first("three old words")
        with pytest.raises(DataError, match="another one"):
            password.change("wrong words here", "four new words here")
        with pytest.raises(DataError, match="10 to 256"):
            password.change("three old words", "short")
        password.change("three old words", "four new words here")
        assert Password(tmp_path / "p").check("four new words here")
        assert not password.check("three old words")

    @pytest.mark.parametrize("text", ["", "plain text", "$argon2id$v=19$nonsense"])
    def test_a_file_that_is_no_hash_is_told(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "p").write_text(text)
        with pytest.raises(StorageError, match="remove it"):
            Password(tmp_path / "p")

    def test_it_stands_in_the_users_folder(self, clean_user: Path) -> None:
        assert usual_place() == clean_user / "config" / "edgecnn" / "web-password"


class TestThrottle:
    def test_five_at_once_and_then_one_in_thirty_seconds(self) -> None:
        clock = Clock()
        throttle = Throttle(clock=clock)
        assert [throttle.wait_s("192.0.2.1") for _ in range(5)] == [0] * 5
        assert throttle.wait_s("192.0.2.1") == pytest.approx(30)
        clock.now += 12
        assert throttle.wait_s("192.0.2.1") == pytest.approx(18), "a refused try costs nothing"
        clock.now += 18
        assert throttle.wait_s("192.0.2.1") == 0
        assert throttle.wait_s("192.0.2.1") == pytest.approx(30)
        assert throttle.wait_s("192.0.2.2") == 0, "another address is not held up"

    def test_all_addresses_together_are_bounded(self) -> None:
        throttle = Throttle(ONE, Allowance(7, 2.0), Clock())
        waits = [throttle.wait_s(f"10.0.0.{i}") for i in range(9)]
        assert waits == [0] * 7 + [pytest.approx(2)] * 2

    def test_the_right_password_clears_its_address(self) -> None:
        throttle = Throttle(clock=Clock())
        for _ in range(4):
            throttle.wait_s("::1")
        throttle.clear("::1")
        assert [throttle.wait_s("::1") for _ in range(5)] == [0] * 5

    def test_a_household_of_ipv6_is_one_address(self) -> None:
        throttle = Throttle(clock=Clock())
        waits = [throttle.wait_s(f"2001:db8:1:2::{i:x}") for i in range(6)]
        assert waits[:5] == [0] * 5 and waits[5] > 0
        assert throttle.wait_s("2001:db8:1:3::1") == 0

    @pytest.mark.parametrize(
        ("address", "network"),
        [("fe80::1%eth0", "fe80::/64"), ("::ffff:192.0.2.1", "192.0.2.1"), ("", ""), ("x", "x")],
    )
    def test_network_of(self, address: str, network: str) -> None:
        assert network_of(address) == network

    def test_memory_is_bounded(self) -> None:
        throttle = Throttle(everybody=Allowance(10**9, 1), clock=Clock())
        for i in range(MOST_ADDRESSES + 50):
            throttle.wait_s(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}")
        assert len(throttle._buckets) == MOST_ADDRESSES

    def test_the_guesses_a_day_are_what_the_documents_say(self) -> None:
        assert ONE.burst + 86400 / ONE.every_s == 2885 and ALL.burst + 86400 / ALL.every_s == 43250


class TestSessions:
    def test_a_number_is_long_and_new_each_time(self) -> None:
        made = Sessions()
        numbers = {made.begin() for _ in range(20)}
        assert len(numbers) == 20 and min(map(len, numbers)) >= 43
        tokens = {s.token for n in numbers if (s := made.get(n))}
        assert len(tokens) == 20 and not tokens & numbers

    def test_idle_ones_end_and_old_ones_too(self) -> None:
        clock = Clock()
        made = Sessions(clock)
        number = made.begin()
        clock.now += sessions.IDLE_S
        assert made.get(number)
        clock.now += sessions.IDLE_S + 1
        assert made.get(number) is None
        number = made.begin()
        for _ in range(20):
            clock.now += sessions.IDLE_S - 1
            last = made.get(number)
        assert last is None, "a page that is open for a week"

    def test_the_oldest_gives_way(self) -> None:
        made = Sessions(Clock())
        numbers = [made.begin() for _ in range(sessions.MOST + 1)]
        assert made.get(numbers[0]) is None and made.get(numbers[1])

    def test_ends(self) -> None:
        made = Sessions()
        a, b, c = made.begin(), made.begin(), made.begin()
        made.end(a)
        assert made.get(a) is None and made.get(b)
        made.end_all()
        assert made.get(b) is None and made.get(c) is None and made.get("") is None
