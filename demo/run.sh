#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The module in front of two small apps, with a stand-in LMS to sign in at. Installs what is missing,
# builds, starts everything on 127.0.0.1, signs a user in, shows what the apps saw, and stays until
# Ctrl-C.
#
#   sh demo/run.sh
#
#   DEMO_PORT=8080   where httpd listens
#   DEMO_USER=jsmith who signs in
#   DEMO_ONCE=1      stop after the sign-in; the exit code says whether all was well
#   BUILD_DIR=...    take .libs/mod_auth_edxsso.so from there, do not build
set -u

demo=$(cd "$(dirname "$0")" && pwd) || exit 1
top=$(dirname "$demo")
port=${DEMO_PORT:-8080}
user=${DEMO_USER:-jsmith}
python=/usr/bin/python3
PATH=$PATH:/usr/sbin:/sbin
dir=
pids=

say()
{
    printf '%s\n' "$*"
}

fail()
{
    say "demo: $*" >&2
    for log in error_log campus.log lms.log; do
        [ -s "$dir/$log" ] || continue
        say "---- the end of $log" >&2
        tail -n 40 "$dir/$log" >&2
    done
    exit 1
}

# End what was started here, the last first; take the temporary directory away.
# shellcheck disable=SC2317 # called by trap
finish()
{
    code=$?
    trap '' INT TERM HUP
    trap - EXIT
    for pid in $pids; do
        kill "$pid" 2>/dev/null
    done
    for pid in $pids; do
        wait "$pid" 2>/dev/null
    done
    [ -z "$dir" ] || rm -rf "$dir"
    exit "$code"
}

# wait_for PID FILE TEXT: until the text is in the file (20 s), or its writer has ended.
wait_for()
{
    tries=200
    until grep -q "$3" "$2" 2>/dev/null; do
        kill -0 "$1" 2>/dev/null || return 1
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

# start NAME COMMAND ...: in the background, its output in NAME.out and NAME.log; sets $started
start()
{
    name=$1
    shift
    "$@" >"$dir/$name.out" 2>"$dir/$name.log" </dev/null &
    started=$!
    pids="$started $pids"
}

# port_in FILE: the port in the first URL in the file
port_in()
{
    sed -n 's|.*http://127\.0\.0\.1:\([0-9][0-9]*\).*|\1|p' "$1" | head -n 1
}

build_module()
{
    module=${BUILD_DIR:-$top}/.libs/mod_auth_edxsso.so
    if [ -z "${BUILD_DIR:-}" ]; then
        say "Building the module ..."
        (
            cd "$top" || exit 1
            [ -x configure ] || autoreconf -i || exit 1
            [ -f Makefile ] || ./configure || exit 1
            make -j"$(nproc 2>/dev/null || echo 1)"
        ) >"$dir/build.log" 2>&1 </dev/null || {
            tail -n 40 "$dir/build.log" >&2
            fail "the build failed"
        }
    fi
    [ -f "$module" ] || fail "$module is not there"
}

# httpd's program, where its modules are, and the user that it shall run as
find_httpd()
{
    httpd=$(command -v apache2 || command -v httpd) || fail "no httpd found"
    modules=$(apxs -q LIBEXECDIR 2>/dev/null) || modules=/usr/lib/apache2/modules
    identity=
    [ "$(id -u)" = 0 ] || return 0
    for name in www-data apache nobody; do
        if id "$name" >/dev/null 2>&1; then
            identity="User $name
Group $(id -gn "$name")"
            return 0
        fi
    done
}

write_config()
{
    {
        for name in mpm_event unixd log_config mime dir alias env authn_core authz_core authz_user \
            cgid proxy proxy_http watchdog status; do
            [ -f "$modules/mod_$name.so" ] || continue
            printf '<IfModule !%s_module>\nLoadModule %s_module %s\n</IfModule>\n' \
                "$name" "$name" "$modules/mod_$name.so"
        done
        say "$identity"
    } >"$dir/modules.conf"
    fill <"$demo/httpd.conf.in" >"$dir/httpd.conf"
    fill <"$demo/index.html" >"$dir/htdocs/index.html"
}

fill()
{
    sed -e "s|@PORT@|$port|g" -e "s|@LMS_PORT@|$lms_port|g" -e "s|@CAMPUS_PORT@|$campus_port|g" \
        -e "s|@ENTRA_PORT@|$entra_port|g" -e "s|@GRAPH_PORT@|$graph_port|g" \
        -e "s|@DIR@|$dir|g" -e "s|@MODULE@|$dir/mod_auth_edxsso.so|g"
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# shellcheck source=/dev/null
. "$top/build/packages.sh" || exit 1
# shellcheck disable=SC2086 # lists of words
if [ -n "${BUILD_DIR:-}" ]; then
    install_packages $DEMO_PACKAGES || exit 1
else
    install_packages $BUILD_PACKAGES $DEMO_PACKAGES || exit 1
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/edxsso-demo.XXXXXX") || exit 1
chmod 755 "$dir"
mkdir "$dir/htdocs" "$dir/cgi" "$dir/state" || exit 1
build_module
find_httpd
# copies: httpd's user may not be able to read the place of the checkout
cp "$module" "$dir/mod_auth_edxsso.so" && cp "$demo/apps/studio.cgi" "$dir/cgi/studio.cgi" &&
    chmod 755 "$dir/cgi/studio.cgi" || exit 1

own=http://127.0.0.1:$port
(umask 077 && printf 'studio-secret\n' >"$dir/lms.secret") || exit 1
start lms "$python" "$top/t/idp/lms.py" --write-jwks "$dir/lms-jwks.json" \
    --client "studio-sso:studio-secret:$own/edxsso/callback/lms,$own/:user_id profile email" \
    --ida-logout "$own/edxsso/logout"
wait_for "$started" "$dir/lms.out" '^lms ready' || fail "the stand-in LMS did not start"
lms_port=$(port_in "$dir/lms.out")
(umask 077 && printf 's3cr~et.of_edx-1\n' >"$dir/entra.secret") || exit 1
start entra "$python" "$top/t/idp/entra.py" --default-user adele
wait_for "$started" "$dir/entra.out" '^entra ready' || fail "the stand-in Entra did not start"
entra_port=$(sed -n 's|^entra ready http://127\.0\.0\.1:\([0-9][0-9]*\) .*|\1|p' "$dir/entra.out")
graph_port=$(sed -n 's|.*graph http://127\.0\.0\.1:\([0-9][0-9]*\).*|\1|p' "$dir/entra.out")
start campus "$python" -B "$demo/apps/campus.py"
wait_for "$started" "$dir/campus.out" '^campus ready' || fail "the campus app did not start"
campus_port=$(port_in "$dir/campus.out")

write_config
start httpd "$httpd" -d "$dir" -f "$dir/httpd.conf" -D FOREGROUND
server=$started
wait_for "$server" "$dir/error_log" 'resuming normal operations' || {
    cat "$dir/httpd.log" >&2
    fail "httpd did not start on port $port"
}

say ""
say "Signing in through the LMS:"
"$python" -B "$demo/signin.py" --user "$user" --provider lms "$own/studio?plain" \
    "$own/campus/?plain" </dev/null || fail "the sign-in through the LMS did not work"
say ""
say "Signing in through Entra:"
"$python" -B "$demo/signin.py" --user adele@contoso.com --provider entra "$own/studio?plain" \
    "$own/campus/?plain" </dev/null || fail "the sign-in through Entra did not work"
[ -z "${DEMO_ONCE:-}" ] || exit 0

say ""
say "open $own/     (Ctrl-C ends it; error log: $dir/error_log)"
wait "$server"
fail "httpd has ended"
