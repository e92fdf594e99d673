#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libFuzzer programs, built by clang in build-fuzz/: sh build/fuzz.sh, then for example
#
#   build-fuzz/fuzz_json -max_total_time=60 build-fuzz/new t/fuzz/corpus/json
set -eu
cd "$(dirname "$0")/.."
. build/tree.sh

command -v clang >/dev/null || { echo 'clang is missing: apt-get install clang' >&2; exit 1; }
sanitize=address,undefined
copy_tree build-fuzz
cd build-fuzz
[ -x configure ] && [ Makefile.in -nt Makefile.am ] || autoreconf -i
[ -f Makefile ] && [ Makefile -nt configure ] ||
    ./configure -q CC=clang CFLAGS="-g -O1 -fsanitize=fuzzer-no-link,$sanitize"
make -s -j"$(getconf _NPROCESSORS_ONLN)" libsso.la
for source in t/fuzz/fuzz_*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    # shellcheck disable=SC2046
    ./libtool --silent --tag=CC --mode=link clang -g -O1 -fsanitize=fuzzer,$sanitize -D_GNU_SOURCE -Isrc \
        $(pkg-config --cflags apr-1 apr-util-1 jansson libcrypto cjose libcurl) -o "$name" "$source" libsso.la
    echo "build-fuzz/$name"
done
mkdir -p new
