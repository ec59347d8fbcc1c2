"""IMAP clients that idle as Delta Chat's do, and come back when they lose their connection."""

import asyncio
import contextlib
import random
import sys
from pathlib import Path

from support.relay import trusting

# Seconds that Delta Chat waits for an answer.
PATIENCE = 60

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")


def require_inotify(clients):
    """Ends the program on a kernel where so many clients could not hibernate."""
    if int(INOTIFY.read_text()) < 3 * clients:
        sys.exit(f"{INOTIFY}: less than 3 instances a client: raise it as 60-chatmail.conf does")


class Idler:
    """One that connects again and again until it idles. idles: it does now; heard: a message was
    announced; refused: replies to its commands."""

    def __init__(self, relay, number):
        self.relay = relay
        self.account = relay.account(name=f"many{number:05d}")
        self.idles = asyncio.Event()
        self.heard = asyncio.Event()
        self.refused = []

    async def line(self):
        line = await asyncio.wait_for(self.reader.readline(), PATIENCE)
        if not line:
            raise ConnectionError("closed")
        return line

    async def reply(self):
        """The lines up to the one that completes a command, or asks it to go on."""
        lines = [await self.line()]
        while not lines[-1].startswith((b"a ", b"+ ")):
            lines.append(await self.line())
        if lines[-1].startswith((b"a NO", b"a BAD")):
            self.refused.append(lines[-1].decode().strip())
            raise ConnectionError("refused")
        return lines

    async def command(self, text):
        self.writer.write(f"a {text}\r\n".encode())
        return await self.reply()

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection(
            self.relay.address, self.relay.ports["imaps_port"], ssl=trusting()
        )
        await self.line()

    async def login(self):
        await self.command(f"LOGIN {self.account.address} {self.account.password}")
        await self.command("SELECT INBOX")
        await self.command("GETQUOTAROOT INBOX")

    async def session(self, gate):
        async with gate:
            await self.connect()
        await self.login()
        await self.idle()

    async def idle(self):
        await self.command("IDLE")
        self.idles.set()
        while True:
            await self.announcement()

    async def announcement(self):
        """Waits for a message, however long."""
        while line := await self.reader.readline():
            if b"EXISTS" in line:
                self.heard.set()
                return
        raise ConnectionError("closed")

    async def live(self, gate):
        """gate: how many may connect at the same moment."""
        wait = 1
        while True:
            with contextlib.suppress(OSError, ValueError, TimeoutError, asyncio.TimeoutError):
                await self.session(gate)
            self.idles.clear()
            wait = min(wait * random.uniform(1.5, 2), 40)
            await asyncio.sleep(wait)
