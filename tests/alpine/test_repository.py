"""packaging/build-packages alpine: the input of abuild. abuild itself and apk run on Alpine only;
here a stand-in checks the aport as abuild does, and writes the files that abuild would write."""

import os
import re
import subprocess

import pytest
from support.tree import SOURCE

ABUILD = r"""#!/bin/sh
set -e
. ./APKBUILD
echo "$sha512sums" | sed '/^$/d' | sha512sum -c -
for script in $install ${triggers%%=*}; do [ -f "$script" ]; done
tar -xzf "$source"
for file in meson.build packaging/openrc/chatmail-milter.initd tests/unit/meson.build; do
	[ -f "$pkgname-$pkgver/$file" ]
done
# As abuild's functions.sh does.
: ${ABUILD_USERDIR:=$HOME/.abuild}
: ${ABUILD_USERCONF:=$ABUILD_USERDIR/abuild.conf}
[ ! -f "$ABUILD_USERCONF" ] || . "$ABUILD_USERCONF"
repository=$REPODEST/$(basename "$(dirname "$PWD")")/x86_64
mkdir -p "$repository"
cp "$PACKAGER_PRIVKEY" "$repository/signed"
# As `apk index` does.
case ${APK:-apk} in *" --keys-dir "*) keys=${APK##* --keys-dir } ;; *) keys=/etc/apk/keys ;; esac
[ -f "$keys/${PACKAGER_PRIVKEY##*/}.pub" ] || { echo "UNTRUSTED signature" && exit 1; }
echo "$pkgver" >"$repository/version"
"""
KEYGEN = r"""#!/bin/sh
: ${ABUILD_USERDIR:=$HOME/.abuild}
mkdir -p "$ABUILD_USERDIR"
echo private >"$ABUILD_USERDIR/key.rsa"
echo public >"$ABUILD_USERDIR/key.rsa.pub"
echo "PACKAGER_PRIVKEY=\"$ABUILD_USERDIR/key.rsa\"" >>"$ABUILD_USERDIR/abuild.conf"
"""


@pytest.fixture
def build(tmp_path):
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (("abuild", ABUILD), ("abuild-keygen", KEYGEN)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)

    def run(*options, path=f"{commands}:{os.environ['PATH']}"):
        return subprocess.run(
            [SOURCE / "packaging/build-packages", *options, "alpine", tmp_path / "out"],
            env={**os.environ, "PATH": path, "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


def test_repository_signed_with_the_users_key(build, tmp_path):
    done = build()
    assert done.returncode == 0, done.stdout
    version = (tmp_path / "out/chatmail/x86_64/version").read_text()
    assert re.fullmatch(r"\d+\.\d+\.\d+(_git\d{14})?\n", version)
    assert (tmp_path / "out/key.rsa.pub").read_text() == "public\n"
    assert f"{tmp_path}/out/chatmail" in done.stdout


def user_key(directory):
    """A key that abuild-keygen created before."""
    directory.mkdir(parents=True)
    (directory / "old.rsa").write_text("old private\n")
    (directory / "old.rsa.pub").write_text("old\n")
    (directory / "abuild.conf").write_text(f'PACKAGER_PRIVKEY="{directory}/old.rsa"\n')


@pytest.mark.parametrize("place", [".abuild", ".config/abuild"])
def test_repository_signed_with_the_key_that_the_user_has(build, tmp_path, place):
    """abuild 3.18 keeps it below ~/.config."""
    user_key(tmp_path / place)
    done = build()
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "out/chatmail/x86_64/signed").read_text() == "old private\n"
    assert (tmp_path / "out/old.rsa.pub").read_text() == "old\n"


@pytest.mark.parametrize("place", [None, ".abuild", ".config/abuild"])
def test_repository_signed_with_the_callers_key(build, tmp_path, place):
    if place is not None:
        user_key(tmp_path / place)
    (tmp_path / "mine.rsa").write_text("private\n")
    (tmp_path / "mine.rsa.pub").write_text("mine\n")
    done = build("--key", tmp_path / "mine.rsa")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "out/chatmail/x86_64/signed").read_text() == "private\n"
    assert (tmp_path / "out/mine.rsa.pub").read_text() == "mine\n"


def test_a_missing_abuild_is_reported(build):
    done = build(path=os.environ["PATH"])
    assert done.returncode == 1
    assert "abuild is missing: for Alpine, run this on Alpine" in done.stdout
