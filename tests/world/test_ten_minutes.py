"""A relay without power for ten minutes: what was written meanwhile arrives by itself, once.

CHATMAIL_SECONDS_DOWN makes it another time."""

import collections
import os
import time

import pytest

from support.wait import eventually

SECONDS = int(os.environ.get("CHATMAIL_SECONDS_DOWN", "600"))
PAUSE = 20
# Postfix tries again after a time that grows with a message's age, and so do clients.
UNTIL_ALL_IS_THERE = 2400


@pytest.fixture
def core(the_world, tmp_path):
    with the_world.core(tmp_path / "core") as running:
        yield running


@pytest.fixture
def people(the_world, core):
    with the_world.at("clients"):
        return {name: core.clients(the_world.relays[name], 1)[0] for name in ("north", "south", "literal")}


@pytest.fixture
def chats(people):
    """{(from, to): chat}, made by secure-join."""
    made = {}
    for one, other in (("north", "south"), ("literal", "south"), ("north", "literal")):
        made[other, one], made[one, other] = people[other].join(people[one])
    return made


def write_while_it_is_down(people, chats):
    """Everybody writes to everybody, time and again; {(from, to): texts}."""
    texts = collections.defaultdict(list)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for (source, target), chat in chats.items():
            text = f"{len(texts[source, target])} from {source} to {target}"
            chat.send_text(text)
            texts[source, target].append(text)
        # Those whose relays are up notice nothing.
        for source, target in (("north", "literal"), ("literal", "north")):
            people[target].wait_for_texts(chats[target, source], texts[source, target][-1:])
        time.sleep(PAUSE)
    return texts


def test_nothing_is_lost_or_doubled(the_world, core, people, chats):
    south = the_world.relays["south"]
    south.host.unplug()
    start = time.monotonic()
    try:
        texts = write_while_it_is_down(people, chats)
        assert people["south"].received(chats["south", "north"]) == []
    finally:
        south.host.plug()
    print(f"\ndown for {time.monotonic() - start:.0f} s")
    # As a device does that notices a change of its network; the queues of the relays are left alone.
    core.accounts.maybe_network()
    start = time.monotonic()

    def received(source, target):
        return [s.text for s in people[target].received(chats[target, source])]

    def missing():
        return [text for way in texts for text in set(texts[way]) - set(received(*way))]

    eventually(lambda: missing() == [], UNTIL_ALL_IS_THERE, interval=5, message="not all arrived")
    print(f"all {sum(map(len, texts.values()))} there {time.monotonic() - start:.0f} s later")
    for relay in the_world.relays.values():
        eventually(lambda r=relay: r.queue() == [], UNTIL_ALL_IS_THERE, interval=5)
    for way, sent in texts.items():
        assert sorted(received(*way)) == sorted(sent), way
