# SPDX-License-Identifier: Apache-2.0
# The questions configure.ac asks. Everything that is missing is collected and told at once, with
# the names of the packages, so that one installation is enough.

# EDXSSO_NEED_PKG_CONFIG: say what to install instead of failing at the first PKG_CHECK_MODULES
AC_DEFUN([EDXSSO_NEED_PKG_CONFIG], [
  edxsso_missing=
  edxsso_debian=
  edxsso_fedora=
  AS_IF([test -z "$PKG_CONFIG"],
        [AC_MSG_ERROR([pkg-config is missing.
  Debian, Ubuntu:  apt-get install pkg-config
  Fedora, RHEL:    dnf install pkgconf-pkg-config])])
])

# EDXSSO_MISSING(WHAT, DEBIAN-PACKAGE, FEDORA-PACKAGE)
AC_DEFUN([EDXSSO_MISSING], [
  edxsso_missing="$edxsso_missing
  $1"
  edxsso_debian="$edxsso_debian $2"
  edxsso_fedora="$edxsso_fedora $3"
])

# EDXSSO_LIBRARY(VARIABLE, NAME, PKG-CONFIG-MODULE, DEBIAN-PACKAGE, FEDORA-PACKAGE)
AC_DEFUN([EDXSSO_LIBRARY], [
  PKG_CHECK_MODULES([$1], [$3], [], [EDXSSO_MISSING([$2 ($3)], [$4], [$5])])
])

# EDXSSO_HTTPD: everything about httpd comes from apxs
AC_DEFUN([EDXSSO_HTTPD], [
  AC_ARG_WITH([apxs],
    [AS_HELP_STRING([--with-apxs=PATH], [httpd's apxs, where it is not in PATH])],
    [APXS=$withval], [APXS=])
  AS_IF([test -z "$APXS" || test "$APXS" = yes],
        [AC_PATH_PROGS([APXS], [apxs apxs2], [], [$PATH:/usr/sbin:/usr/local/apache2/bin])])
  AC_SUBST([APXS])
  AS_IF([test -n "$APXS" && "$APXS" -q INCLUDEDIR >/dev/null 2>&1], [], [APXS=])
  AS_IF([test -z "$APXS"],
    [EDXSSO_MISSING([Apache httpd with its headers (apxs)], [apache2-dev], [httpd-devel])],
    [HTTPD_INCLUDEDIR=`$APXS -q INCLUDEDIR`
     HTTPD_LIBEXECDIR=`$APXS -q LIBEXECDIR`
     HTTPD_SYSCONFDIR=`$APXS -q SYSCONFDIR`
     HTTPD=`$APXS -q SBINDIR`/`$APXS -q PROGNAME`
     HTTPD_CPPFLAGS="-I$HTTPD_INCLUDEDIR"
     AC_MSG_CHECKING([for httpd 2.4])
     edxsso_save_CPPFLAGS=$CPPFLAGS
     CPPFLAGS="$CPPFLAGS $HTTPD_CPPFLAGS `$PKG_CONFIG --cflags apr-1 2>/dev/null`"
     AC_PREPROC_IFELSE([AC_LANG_SOURCE([[
       #include <ap_mmn.h>
       #if MODULE_MAGIC_NUMBER_MAJOR < 20120211
       #error too old
       #endif
       ]])],
       [AC_MSG_RESULT([$HTTPD])],
       [AC_MSG_RESULT([no])
        EDXSSO_MISSING([Apache httpd 2.4 or later ($APXS has no usable headers)], [apache2-dev], [httpd-devel])])
     CPPFLAGS=$edxsso_save_CPPFLAGS])

  # Debian keeps a module's .load and .conf in mods-available; elsewhere they are samples to copy.
  AS_IF([test -d "$HTTPD_SYSCONFDIR/mods-available"],
        [EDXSSO_SAMPLEDIR=$HTTPD_SYSCONFDIR/mods-available],
        [EDXSSO_SAMPLEDIR='$(docdir)/conf.d'])
  AC_ARG_WITH([sampledir],
    [AS_HELP_STRING([--with-sampledir=DIR], [where make install puts conf.d/])],
    [EDXSSO_SAMPLEDIR=$withval])
  AC_SUBST([HTTPD])
  AC_SUBST([HTTPD_CPPFLAGS])
  AC_SUBST([HTTPD_LIBEXECDIR])
  AC_SUBST([EDXSSO_SAMPLEDIR])
])

# EDXSSO_HIREDIS: the Redis store, and TLS to it, are there when the libraries are
AC_DEFUN([EDXSSO_HIREDIS], [
  AC_ARG_WITH([hiredis],
    [AS_HELP_STRING([--with-hiredis=auto|yes|no], [sessions in Redis (default: if hiredis is there)])],
    [], [with_hiredis=auto])
  edxsso_redis=no
  AS_CASE([$with_hiredis],
    [no], [],
    [auto|yes],
      [PKG_CHECK_MODULES([HIREDIS], [hiredis >= 0.14], [edxsso_redis=yes],
        [AS_IF([test "$with_hiredis" = yes],
               [EDXSSO_MISSING([hiredis], [libhiredis-dev], [hiredis-devel])])])],
    [AC_MSG_ERROR([--with-hiredis=$with_hiredis: auto, yes or no])])
  AS_IF([test $edxsso_redis = yes],
    [HIREDIS_CPPFLAGS="-DHAVE_HIREDIS"
     PKG_CHECK_MODULES([HIREDIS_SSL], [hiredis_ssl],
       [edxsso_redis="yes, with TLS"
        HIREDIS_CPPFLAGS="$HIREDIS_CPPFLAGS -DHAVE_HIREDIS_SSL"],
       [edxsso_redis="yes, without TLS (no hiredis_ssl)"])])
  AC_SUBST([HIREDIS_CPPFLAGS])
])

# EDXSSO_REPORT_MISSING: one message for all that is missing
AC_DEFUN([EDXSSO_REPORT_MISSING], [
  AS_IF([test -n "$edxsso_missing"], [AC_MSG_ERROR([this is missing:
$edxsso_missing

  Debian, Ubuntu:  apt-get install$edxsso_debian
  Fedora, RHEL:    dnf install$edxsso_fedora
])])
])

# EDXSSO_TAKES(VARIABLE, FLAG): add a compiler flag if the compiler knows it
AC_DEFUN([EDXSSO_TAKES], [
  AC_MSG_CHECKING([whether $CC takes $2])
  edxsso_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -Werror $2"
  AC_LINK_IFELSE([AC_LANG_PROGRAM()],
    [AC_MSG_RESULT([yes])
     $1="$$1 $2"],
    [AC_MSG_RESULT([no])])
  CFLAGS=$edxsso_save_CFLAGS
])

AC_DEFUN([EDXSSO_WARNINGS], [
  EDXSSO_CFLAGS=
  m4_foreach_w([flag],
    [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
     -Wvla -Wpointer-arith -Wwrite-strings -Wundef -Wold-style-definition -Wcast-align],
    [EDXSSO_TAKES([EDXSSO_CFLAGS], flag)])
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [warnings are errors])],
    [], [enable_werror=no])
  AS_IF([test "$enable_werror" = yes], [EDXSSO_CFLAGS="$EDXSSO_CFLAGS -Werror"])
  AC_SUBST([EDXSSO_CFLAGS])
])

AC_DEFUN([EDXSSO_HARDENING], [
  HARDEN_CFLAGS=
  HARDEN_CPPFLAGS=
  HARDEN_LDFLAGS=
  # for the core only: httpd declares a module's structure without a visibility of its own
  HIDE_CFLAGS=
  EDXSSO_TAKES([HIDE_CFLAGS], [-fvisibility=hidden])
  AC_SUBST([HIDE_CFLAGS])
  EDXSSO_TAKES([HARDEN_CFLAGS], [-fstack-protector-strong])
  EDXSSO_TAKES([HARDEN_CFLAGS], [-fstack-clash-protection])
  EDXSSO_TAKES([HARDEN_LDFLAGS], [-Wl,-z,relro,-z,now])
  # fortified functions need an optimiser, and hide overflows from the sanitizers
  AS_CASE([" $CFLAGS "],
    [*" -O0 "*|*-fsanitize=*], [],
    [*" -O"*], [HARDEN_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
  AC_SUBST([HARDEN_CFLAGS])
  AC_SUBST([HARDEN_CPPFLAGS])
  AC_SUBST([HARDEN_LDFLAGS])
])

# EDXSSO_SANITIZERS: --enable-sanitizers=address,undefined builds for make check-asan and the like
AC_DEFUN([EDXSSO_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers=LIST], [e.g. address,undefined or thread; for tests only])],
    [], [enable_sanitizers=no])
  AS_IF([test "$enable_sanitizers" != no],
    [SANITIZE_FLAGS="-fsanitize=$enable_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
     HARDEN_CPPFLAGS=])
  AC_SUBST([SANITIZE_FLAGS])
  AM_CONDITIONAL([SANITIZE_ADDRESS], [case $enable_sanitizers in *address*) :;; *) false;; esac])
])
