"""The file system's own quota is exhausted: no message bounces or is lost."""

import subprocess

import pytest

from support.messages import encrypted
from support.wait import eventually

SENDER = "sender@peer.test"
# The kernel's errors below a Maildir's tmp, while a flag selects the step. (A real quota needs a
# separate file system, and a kernel that supports quotas.)
EDQUOT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int used_up(const char *step, const char *path)
{
	char flag[64];

	snprintf(flag, sizeof(flag), "/run/edquot/%s", step);
	return strstr(path, "/home/vmail/") != NULL && strstr(path, "/tmp/") != NULL &&
	       access(flag, F_OK) == 0;
}

static int cannot_write(int fd)
{
	char link[64], path[512];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	return used_up("write", path);
}

#define OPEN(name)                                                                                 \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);                     \
		va_list rest;                                                                      \
		int mode;                                                                          \
		va_start(rest, flags);                                                             \
		mode = flags & O_CREAT ? va_arg(rest, int) : 0;                                    \
		va_end(rest);                                                                      \
		if (flags & O_CREAT && used_up("create", path)) {                                  \
			errno = EDQUOT;                                                            \
			return -1;                                                                 \
		}                                                                                  \
		return real(path, flags, mode);                                                    \
	}
OPEN(open)
OPEN(open64)

#define WRITE(name, type, count_type)                                                              \
	ssize_t name(int fd, const type *data, count_type count)                                   \
	{                                                                                          \
		ssize_t (*real)(int, const type *, count_type) = dlsym(RTLD_NEXT, #name);          \
		if (cannot_write(fd)) {                                                            \
			errno = EDQUOT;                                                            \
			return -1;                                                                 \
		}                                                                                  \
		return real(fd, data, count);                                                      \
	}
WRITE(write, void, size_t)
WRITE(writev, struct iovec, int)
"""


@pytest.fixture(scope="module")
def relay(make_relay):
    """A library between its Dovecot and the kernel returns EDQUOT."""
    relay = make_relay(without=["postfix", "milter", "opendkim", "notifyd"])
    directory = relay.path("/run/edquot")
    directory.mkdir()
    (directory / "edquot.c").write_text(EDQUOT)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-U_FORTIFY_SOURCE", "-o", "edquot.so", "edquot.c", "-ldl"],
        cwd=directory,
        check=True,
    )
    conf = relay.path("/etc/dovecot/dovecot.conf")
    preload = "LD_PRELOAD=/run/edquot/edquot.so"
    text = conf.read_text()
    if "CHATMAIL_INI=" in text:
        text = text.replace("CHATMAIL_INI=", f"{preload} CHATMAIL_INI=")
    else:
        text = text.replace("CHATMAIL_INI =", f"{preload.replace('=', ' = ')}\n  CHATMAIL_INI =")
    conf.write_text(text)
    relay.restart_service("dovecot")
    return relay


@pytest.mark.parametrize("step", ["create", "write"])
def test_delivery_is_retried(relay, step):
    account = relay.registered()
    message = encrypted(SENDER, account.address)
    flag = relay.path(f"/run/edquot/{step}")
    flag.touch()
    try:
        assert relay.deliver(SENDER, account.address, message)[account.address][0] == 451
        assert relay.fetch(account) == []
    finally:
        flag.unlink()
    eventually(lambda: "chatmail: delivery: the file system's quota" in relay.log("dovecot"))
    assert relay.deliver(SENDER, account.address, message) == {}
    assert len(relay.fetch(account)) == 1
