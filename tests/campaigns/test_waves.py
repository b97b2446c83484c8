"""Waves take each device at most once, from where the plan says, when the plan says."""

from hypothesis import given
from hypothesis import strategies as st

from emulator.campaigns.waves import REST, Shuffle, cut, opens_ms
from emulator.domain.settings import DAY_MS, HOUR_MS

SIZES = st.lists(st.integers(0, 200), min_size=1, max_size=6)
WAVES = st.tuples(st.lists(st.integers(1, 150), max_size=5), st.booleans()).map(
    lambda each: [*each[0], *[REST] * each[1]] or [REST]
)


@given(SIZES, WAVES, st.booleans())
def test_every_device_comes_in_one_wave_in_the_order_of_its_group(sizes: list[int], waves: list[int | str], evenly: bool) -> None:
    found = cut(sizes, waves, evenly=evenly)
    taken = [0] * len(sizes)
    for parts in found:
        assert parts
        for part in parts:
            assert part.first == taken[part.group]
            taken[part.group] += part.count
    assert all(count <= size for count, size in zip(taken, sizes, strict=True))
    wanted = sum(sizes) if REST in waves else min(sum(sizes), sum(int(wave) for wave in waves))
    assert sum(taken) == wanted
    for parts, wave in zip(found, waves, strict=False):
        if wave != REST and parts is not found[-1]:
            assert sum(part.count for part in parts) == wave


@given(st.lists(st.integers(0, 50), min_size=2, max_size=5), st.integers(1, 60))
def test_a_wave_takes_from_all_groups_alike(sizes: list[int], wave: int) -> None:
    counts = {part.group: part.count for parts in cut(sizes, [wave], evenly=True) for part in parts}
    highest = max(counts.values(), default=0)
    assert all(counts.get(group, 0) in (size, highest, highest - 1) for group, size in enumerate(sizes))


def test_in_turn_the_first_group_goes_first() -> None:
    found = cut([3, 5], [2, 2, REST], evenly=False)
    assert [[(part.group, part.first, part.count) for part in parts] for parts in found] == [
        [(0, 0, 2)],
        [(0, 2, 1), (1, 0, 1)],
        [(1, 1, 4)],
    ]


@given(st.integers(0, 500), st.integers(0, 2**63 - 1), st.integers(0, 9))
def test_a_shuffle_names_everybody_once(size: int, seed: int, group: int) -> None:
    order = Shuffle.of(size, seed, group)
    assert sorted(order[position] for position in range(size)) == list(range(size))


@given(st.integers(0, 3 * DAY_MS), st.integers(0, 23), st.integers(0, 24))
def test_a_window_opens_at_its_next_time(now_ms: int, begin_h: int, end_h: int) -> None:
    window = (begin_h * HOUR_MS, end_h * HOUR_MS % DAY_MS)
    at_ms = opens_ms([window], now_ms)
    length = (window[1] - window[0]) % DAY_MS or DAY_MS
    assert now_ms <= at_ms <= now_ms + DAY_MS
    assert (at_ms - window[0]) % DAY_MS < length
    assert at_ms == now_ms or (at_ms - window[0]) % DAY_MS == 0


def test_without_windows_it_is_always_time() -> None:
    assert opens_ms([], 12_345) == 12_345
