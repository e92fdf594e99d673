# SPDX-License-Identifier: Apache-2.0
# What Debian calls the things this project needs. To be read by other scripts: . build/packages.sh

BUILD_PACKAGES="autoconf automake libtool pkg-config gcc make apache2-dev libapr1-dev libaprutil1-dev
libcurl4-openssl-dev libjansson-dev libcjose-dev libssl-dev libhiredis-dev"

# libapache2-mod-perl2 brings Apache::Test
TEST_PACKAGES="apache2-bin perl libapache2-mod-perl2 libwww-perl libio-socket-ssl-perl python3
python3-cryptography python3-prometheus-client python3-django-oauth-toolkit python3-djangorestframework
redis-server openssl binutils ca-certificates valgrind chromium
build-essential debhelper dh-apache2 dpkg-dev fakeroot lintian man-db rpm"
# npm is a package of its own in Debian, and a part of nodejs where that came from elsewhere
command -v npm >/dev/null 2>&1 || TEST_PACKAGES="$TEST_PACKAGES nodejs npm"

# make bench compares with the first two, where they are installed
BENCH_PACKAGES="libapache2-mod-auth-openidc libapache2-mod-oauth2 valgrind wrk"

DEMO_PACKAGES="apache2-bin perl python3 python3-cryptography curl"

# install_packages NAME ...: install those that are missing, or say which and stop.
install_packages()
{
    missing=
    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
        [ "$state" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "These Debian packages, or what your system calls them, are missing:$missing" >&2
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "Packages are missing. As root:  apt-get install$missing" >&2
        return 1
    fi
    echo "Installing:$missing"
    (
        DEBIAN_FRONTEND=noninteractive
        RUNLEVEL=1 # services stay as they are
        export DEBIAN_FRONTEND RUNLEVEL
        apt-get update -q </dev/null &&
            # shellcheck disable=SC2086
            apt-get install -q -y --no-install-recommends $missing </dev/null
    )
}
