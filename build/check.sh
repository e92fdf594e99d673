#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Unit tests and fuzz replay under a checker, each in a copy of the tree: build-asan/ and so on.
#
#   sh build/check.sh check-asan|check-tsan|check-valgrind [t/unit/NAME ...]
set -eu
cd "$(dirname "$0")/.."
. build/tree.sh

kind=${1#check-}
shift
run=
jobs=$(getconf _NPROCESSORS_ONLN)
case $kind in
asan)
    flags=--enable-sanitizers=address,undefined
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
    export UBSAN_OPTIONS=print_stacktrace=1
    ;;
tsan)
    flags=--enable-sanitizers=thread
    run='setarch -R' # the sanitizer and random addresses do not get on
    ;;
valgrind)
    flags=
    run='valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite'
    ;;
*)
    echo "$kind: asan, tsan or valgrind" >&2
    exit 2
    ;;
esac

copy_tree "build-$kind"
cd "build-$kind"
[ -x configure ] && [ configure -nt configure.ac ] && [ Makefile.in -nt Makefile.am ] || autoreconf -i
# shellcheck disable=SC2086
[ -f Makefile ] && [ Makefile -nt configure ] || ./configure -q $flags --enable-werror CFLAGS='-g -O1'
make -s -j"$jobs" check-programs
if [ $# = 0 ]; then
    set -- $(sed -n 's/^check_PROGRAMS += \(t\/unit\/.*\)/\1/p' Makefile.am)
fi
status=0
prove -e "$run" "$@" || status=1
BUILD_DIR=$PWD REPLAY_WITH=$run prove t/replay.t || status=1
exit $status
