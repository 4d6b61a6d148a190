#!/bin/sh
# Sees to what comes from the system and not from a lock file:
#
#   system_packages.sh python PYTHON    what making a virtual environment needs
#   system_packages.sh test             what the tests need: a browser, a Chinese font, a C compiler
#   system_packages.sh chaos            what `make chaos` needs: clocks that differ (libfaketime)
#
# Installs what is missing when it may (apt-get, as root or by a sudo that asks nothing). Otherwise says what to
# install, and fails: for a missing Python module always, for a test tool only in CI. Elsewhere tests that
# need a browser skip themselves, and it prints the pytest option that leaves out those that need a compiler.
set -eu

found() {
    for name in "$@"; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    return 1
}

has_browser() { found chromium chromium-browser google-chrome; }
has_compiler() { found cc && echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1; }
has_chinese_font() { found fc-list && test -n "$(fc-list :lang=zh family)"; }
has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# The Debian packages of what is not there.
missing_for_python() {
    has_venv "$1" && return
    "$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
}

missing_for_test() {
    has_browser || echo chromium
    has_chinese_font || echo fontconfig fonts-noto-cjk
    has_compiler || echo gcc libc6-dev
}

missing_for_chaos() {
    ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || echo libfaketime
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    found apt-get || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

install_packages() {
    echo "installing $*" >&2
    as_root apt-get update -qq >&2
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >&2
}

what=$1
shift
missing=$("missing_for_$what" "$@")
if [ -n "$missing" ] && may_install; then
    # shellcheck disable=SC2086 # one word, one package
    install_packages $missing || echo 'apt-get failed' >&2
    missing=$("missing_for_$what" "$@")
fi
[ -n "$missing" ] || exit 0

echo "missing from the system: $(echo $missing)" >&2
echo "install with: sudo apt-get install $(echo $missing)" >&2
if [ "$what" != test ] || [ "${CI:-}" = true ]; then
    exit 1
fi
echo 'the tests that need it are left out' >&2
if ! has_compiler; then echo --ignore=tests/agent/operate_disk; fi
