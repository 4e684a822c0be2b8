"""A Linux with bridges that filter VLANs, bonds and 802.1Q: user-mode-linux, on this machine's file system.

The kernel of a test machine may have none of them. Booting takes some three seconds and no privilege.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

KERNEL = "linux.uml"
"""Of Debian's package user-mode-linux."""
RESULT = "result: "
ROOT = Path(__file__).parents[2]
_INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
cd {root}
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8
{python} -m {module}
{python} -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'
"""


def is_installed() -> bool:
    """Return whether tests can boot it."""
    return shutil.which(KERNEL) is not None


def run(module: str, folder: Path, *, timeout_s: float = 120.0) -> dict[str, object]:
    """Boot, run a module of this project as root, and return what it told.

    The file system is this machine's, read-only. folder: for the memory of the kernel and its first program.
    """
    init = folder / "init"
    init.write_text(_INIT.format(root=ROOT, python=sys.executable, module=module))
    init.chmod(0o755)
    options = ["root=/dev/root", "rootfstype=hostfs", "hostfs=/", "ro", "mem=256M", "quiet"]
    options += ["con=null", "con0=fd:0,fd:1"]
    with subprocess.Popen(
        [KERNEL, *options, f"init={init}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(folder), "HOME": str(folder)},
        start_new_session=True,
        text=True,
        errors="replace",
    ) as kernel:
        try:
            output, _ = kernel.communicate(timeout=timeout_s)
        except BaseException:
            os.killpg(kernel.pid, signal.SIGKILL)
            raise
    told = [line.removeprefix(RESULT) for line in output.splitlines() if line.startswith(RESULT)]
    assert len(told) == 1, f"it told nothing; its console:\n{output}"
    found: dict[str, object] = json.loads(told[0])
    return found


def tell(result: object) -> None:
    """Hand the result to run(), from inside."""
    sys.stdout.write(f"\n{RESULT}{json.dumps(result)}\n")
    sys.stdout.flush()


def load_modules(*names: str) -> None:
    """Load modules of the kernel with all that they depend on, from inside; Debian has no modprobe there."""
    import ctypes

    (folder,) = Path("/usr/lib/uml/modules").glob(os.uname().release)
    files = {path.stem: path for path in folder.glob("kernel/**/*.ko")}
    libc = ctypes.CDLL(None, use_errno=True)
    finit_module = 313  # x86-64

    def load(name: str) -> None:
        text = files[name].read_bytes()
        begin = text.index(b"\0depends=") + len(b"\0depends=")
        for needed in filter(None, text[begin : text.index(b"\0", begin)].decode().split(",")):
            load(needed)
        with files[name].open("rb") as file:
            libc.syscall(finit_module, file.fileno(), b"", 0)

    for name in names:
        load(name)
