# SPDX-License-Identifier: Apache-2.0
# To be read by other scripts: . build/tree.sh

# copy_tree TO: the sources, without anything that was built or written by tests. Times are kept, so
# that a second copy into the same place rebuilds only what changed.
copy_tree()
{
    mkdir -p "$1" &&
        tar -cf - --exclude=./.git --exclude=./deb --exclude='./build-*' --exclude=./build/aux --exclude=./autom4te.cache \
            --exclude=./aclocal.m4 --exclude=./configure --exclude='./config.*' --exclude=./libtool \
            --exclude=./Makefile --exclude=./Makefile.in --exclude='./mod_auth_edxsso-*' \
            --exclude=.deps --exclude=.libs --exclude='*.o' --exclude='*.lo' --exclude='*.la' \
            --exclude=./t/logs --exclude=./t/state \
            --exclude=./t/conf/apache_test_config.pm --exclude=./t/conf/httpd.conf \
            --exclude=__pycache__ . | tar -xf - -C "$1"
}
