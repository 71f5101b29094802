"""A reply's sound at the command line, played as it arrives, by whichever program this machine has for that."""

import shutil
from asyncio import StreamWriter, create_subprocess_exec
from asyncio.subprocess import DEVNULL, PIPE, Process

# Each reads signed 16 bit little endian mono from its standard input.
PROGRAMS = {
    "paplay": "--raw --format=s16le --channels=1 --rate={rate}",
    "aplay": "-q -t raw -f S16_LE -c 1 -r {rate}",
    "play": "-q -t raw -e signed -b 16 -c 1 -r {rate} -",
    "ffplay": "-nodisp -autoexit -loglevel quiet -f s16le -sample_rate {rate} -i -",
}


class Player:
    """Plays one reply after the other. `trouble` tells why nothing sounds; "" while all is well."""

    def __init__(self) -> None:
        self.trouble = ""
        self._name = ""
        self._process: Process | None = None
        self._cut: Process | None = None
        self._over = False

    async def feed(self, pcm: bytes, rate: int) -> None:
        """The next piece; does not wait until it has sounded. The first piece of a reply waits for the end of the reply
        before."""
        if self._process is not None and _input(self._process).is_closing():
            await self.finish()
        if self._process is None and not (self.trouble or self._over):
            await self._start(rate)
        if self._process is not None:
            _input(self._process).write(pcm)

    async def finish(self) -> bool:
        """Returns when all of this reply has sounded; False: it was cut."""
        process = self._process
        if process is None:
            return True
        _input(process).close()
        code = await process.wait()
        if process is self._cut:
            return False
        self._process = None
        if code:
            self.trouble = f"no sound: {self._name} could not play it; --out FILE writes it to a file"
        return True

    def cut(self) -> None:
        """Silence at once; the next piece begins another reply."""
        if self._process is not None:
            self._cut, self._process = self._process, None
            if self._cut.returncode is None:
                self._cut.kill()

    def stop(self) -> None:
        """Silence at once and for good."""
        self._over = True
        self.cut()

    async def close(self) -> None:
        """No program is left running when it returns."""
        self.stop()
        if self._cut is not None:
            await self._cut.wait()

    async def _start(self, rate: int) -> None:
        self._name = name = next((name for name in PROGRAMS if shutil.which(name)), "")
        if not name:
            self.trouble = f"no sound: install one of {', '.join(PROGRAMS)}, or use --out FILE"
            return
        words = PROGRAMS[name].format(rate=rate).split()
        # A session of its own: Ctrl-C is ours to handle.
        process = await create_subprocess_exec(
            name, *words, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
        self._process = process
        if self._over:
            self.cut()


def _input(process: Process) -> StreamWriter:
    assert process.stdin is not None
    return process.stdin
