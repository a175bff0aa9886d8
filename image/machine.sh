# What ./run-station.sh and ./run-tests.sh share: bring this machine to what a station needs.  Sourced, never run.
# Debian packages come from apt as this machine has it configured, Python packages from pip likewise.

say() { printf '%s\n' "$*" >&2; }

stop() { say "$*"; exit 1; }

# with_root COMMAND...: as root, through sudo where needed; fails where there is neither.
with_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

# missing_packages FILE...: names of listed packages that are not installed.
missing_packages() {
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@" | while read -r name _; do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || echo "$name"
    done
}

# install_packages FILE...: whatever is missing of the listed Debian packages.
install_packages() {
    command -v dpkg-query >/dev/null || { say "This is not Debian: please see to the packages in $* yourself."; return 0; }
    wanted=$(missing_packages "$@")
    [ -n "$wanted" ] || return 0
    wanted=$(echo $wanted)
    had_nginx=$(command -v /usr/sbin/nginx || true)
    say "Installing: $wanted"
    if ! with_root true; then
        say "That needs root. Ask somebody who has it to run:  apt-get install $wanted"
        say "Going on without; what needs them is left out."
        return 0
    fi
    with_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >&2 || true
    # shellcheck disable=SC2086  # a list of names
    with_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $wanted >&2 ||
        stop "Installing failed. The messages above say why; run this again afterwards."
    # the station brings its own nginx configuration; Debian's default site stays off if it was not here before
    if [ -z "$had_nginx" ] && command -v systemctl >/dev/null; then
        with_root systemctl disable --now nginx >/dev/null 2>&1 || true
    fi
}

# good_python: the newest suitable interpreter, system ones first (other users can run those).
good_python() {
    for name in /usr/bin/python3 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 python3; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    stop "Python 3.11 or newer is needed (Debian 12 and 13 have it)."
}

# make_environment LOCK...: .venv with exactly the locked packages; nothing to do when they have not changed.
# The last lock contains the others.  wsgidav 4.4 comes as source only (plain Python); everything else as a built package.
make_environment() {
    python=$(good_python)
    venv="$here/.venv"
    stamp="$venv/installed-locks"
    wanted=$(cd "$here" && sha256sum "$@" && "$python" --version)
    if [ -f "$stamp" ] && ! printf '%s\n' "$wanted" | grep -vqxFf "$stamp"; then return 0; fi
    [ ! -e "$venv" ] || [ -w "$venv" ] || stop "$venv belongs to another user. Delete it, or run this as that user."
    if [ "$("$venv/bin/python" --version 2>/dev/null)" != "$("$python" --version)" ]; then
        rm -rf "$venv"
        "$python" -m venv "$venv" || stop "The environment could not be made. Is python3-venv installed?"
    fi
    for lock in "$@"; do :; done
    say "Installing Python packages from $lock"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-binary wsgidav \
        -r "$here/$lock" || stop "Installing Python packages failed. The messages above say why; run this again afterwards."
    printf '%s\n' "$wanted" >"$stamp"
}

# compile_translations: what people read in their own language.
compile_translations() {
    newer=$(find "$here/console/translations" -name '*.po' | while read -r po; do
        [ "${po%.po}.mo" -nt "$po" ] || echo "$po"
    done)
    [ -n "$newer" ] || return 0
    PYTHONPATH="$here" "$here/.venv/bin/python" -m console.translations.catalogue compile >/dev/null ||
        say "The translations could not be compiled; the console speaks English."
}
