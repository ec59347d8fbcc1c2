"""ice_peer.py ICE-SERVERS offer|answer - one side of a call, with aioice as the media engine

ICE-SERVERS is the result of core's ice_servers. Prints its own description and reads the other
side's, each a line of JSON; then sends a hundred packets and prints how many arrived, and the
candidate pair."""

import asyncio
import json
import sys

import aioice

PACKETS = 100


def turn_of(servers):
    """The first TURN server with an IPv4 address: the address, user name and password."""
    for server in servers:
        for url in server["urls"]:
            if url.startswith("turn:") and "[" not in url:
                host, _, port = url.removeprefix("turn:").partition("?")[0].rpartition(":")
                return (host, int(port)), server["username"], server["credential"]
    raise ValueError(f"no TURN server in {servers}")


async def talk(servers, offers):
    address, username, password = turn_of(servers)
    ice = aioice.Connection(
        ice_controlling=offers,
        use_ipv6=False,
        turn_server=address,
        turn_username=username,
        turn_password=password,
    )
    await ice.gather_candidates()
    description = {
        "username": ice.local_username,
        "password": ice.local_password,
        "candidates": [candidate.to_sdp() for candidate in ice.local_candidates],
    }
    print(json.dumps(description), flush=True)
    remote = json.loads(await asyncio.to_thread(sys.stdin.readline))
    ice.remote_username, ice.remote_password = remote["username"], remote["password"]
    for candidate in remote["candidates"]:
        await ice.add_remote_candidate(aioice.Candidate.from_sdp(candidate))
    await ice.add_remote_candidate(None)
    await ice.connect()
    received = set()
    while len(received) < PACKETS:
        for number in range(PACKETS):
            await ice.send(str(number).encode())
        try:
            while len(received) < PACKETS:
                received.add(await asyncio.wait_for(ice.recv(), 1))
        except asyncio.TimeoutError:
            pass
    pair = next(iter(ice._nominated.values()))
    print(json.dumps([len(received), pair.local_candidate.type, pair.remote_candidate.type]), flush=True)
    # The other side may still wait for the last packets.
    await asyncio.to_thread(sys.stdin.readline)
    await ice.close()


asyncio.run(talk(json.loads(sys.argv[1]), sys.argv[2] == "offer"))
