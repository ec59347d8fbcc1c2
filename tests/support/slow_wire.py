"""A cable with delay and loss, where the kernel lacks netem.

usage: slow_wire.py ONE OTHER MILLISECONDS PERCENT

Forwards Ethernet frames between two network interfaces: each frame arrives after MILLISECONDS, or
is lost with a probability of PERCENT. Ends with the process that started it."""

import heapq
import itertools
import random
import select
import socket
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING = 263, 15, 4
ETH_P_ALL = 0x0003
BIGGEST = 70000  # with segmentation offload and its header


def card(name):
    # The virtio header lists the checksums and segments that are still to be made.
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    end.bind((name, 0))
    end.setblocking(False)
    return end


def frames(end):
    while True:
        try:
            frame, address = end.recvfrom(BIGGEST)
        except BlockingIOError:
            return
        if address[2] != PACKET_OUTGOING:
            yield frame


def send(end, frame):
    try:
        end.send(frame)
    except (BlockingIOError, OSError):
        pass  # as if it was lost


def run(one, other, delay, loss):
    waiting, number = [], itertools.count()
    other_end = {one: other, other: one}
    while True:
        until = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select([one, other], [], [], until)[0]:
            for frame in frames(end):
                if random.random() >= loss:
                    due = time.monotonic() + delay
                    heapq.heappush(waiting, (due, next(number), other_end[end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(waiting)
            send(end, frame)


if __name__ == "__main__":
    ends = card(sys.argv[1]), card(sys.argv[2])
    print("up", flush=True)
    run(*ends, float(sys.argv[3]) / 1000, float(sys.argv[4]) / 100)
