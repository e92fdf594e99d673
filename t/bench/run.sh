#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make bench: what the store and a request of a signed-in user cost. Figures are instruction counts,
# ratios and counts; times are of this machine at this moment.
#
#   BENCH_ENTRIES=1000000 make bench    beside so many other sessions (default 200000)
#   BENCH_ONLY='store redis' make bench some of: instructions signin documents hang store requests redis memory
#                                       restarts full hosts throughput clients mpms
#
# Side by side with mod_auth_openidc and mod_oauth2, if they are there.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=/dev/null
. build/packages.sh
# shellcheck disable=SC2086
install_packages $BENCH_PACKAGES || echo "Without them: fewer columns, no throughput."
BUILD_DIR=${BUILD_DIR:-$PWD}
PATH=$PATH:/usr/sbin:/sbin
BENCH_ENTRIES=${BENCH_ENTRIES:-200000}
BENCH_ONLY=${BENCH_ONLY:-instructions signin documents hang store requests redis memory restarts full hosts \
    throughput clients mpms}
BENCH_DIR=$(mktemp -d /tmp/edxsso-bench.XXXXXX)
export BUILD_DIR PATH BENCH_ENTRIES BENCH_DIR
trap 'rm -rf "$BENCH_DIR"' EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$BENCH_DIR"

# as the compiler was told to build the module
flags="$(apr-1-config --includes --cppflags) $(pkg-config --cflags jansson) -I$PWD/src"
libs="$(apr-1-config --link-ld) $(pkg-config --libs jansson libcrypto) -lpthread"
for name in store_bench store_fill; do
    # shellcheck disable=SC2086
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O2 -g $flags -o "$BENCH_DIR/$name" "t/bench/$name.c" \
        "$BUILD_DIR/.libs/libsso.a" $libs $(pkg-config --libs cjose libcurl) \
        $(pkg-config --libs hiredis 2>/dev/null || :)
done
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O2 -o "$BENCH_DIR/backend" t/bench/backend.c

as_user=
if [ "$(id -u)" = 0 ]; then # httpd's children cannot be root
    chown 65534:65534 "$BENCH_DIR"
    as_user='setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all'
fi
HOME=$BENCH_DIR
export HOME
for part in $BENCH_ONLY; do
    case $part in
    store)
        echo "== the store alone"
        $as_user "$BENCH_DIR/store_bench" "$BENCH_DIR" 1000 200000
        $as_user "$BENCH_DIR/store_bench" "$BENCH_DIR" "$BENCH_ENTRIES" 200000
        ;;
    instructions) $as_user perl -It/lib t/bench/instructions.pl ;;
    signin | documents | hang) $as_user perl -It/lib t/bench/provider.pl "$part" ;;
    throughput | clients | mpms | hosts) $as_user perl -It/lib t/bench/throughput.pl "$part" ;;
    requests | redis | memory | restarts | full) $as_user perl -It/lib t/bench/sessions.pl "$part" ;;
    *)
        echo "BENCH_ONLY: there is no $part; see the head of $0" >&2
        exit 2
        ;;
    esac
done
