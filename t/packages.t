#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# What is installed: by make install DESTDIR, and, in a long run, by the Debian package, which is built from
# what make dist packed and looked at by lintian. People sign in with what was installed.
use strict;
use warnings;
use Cwd ();
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/lib";
use EdxSSO::Httpd;
use EdxSSO::SignIn;
use EdxSSO::Site;
use EdxSSO::Test;

alone();
chdir "$FindBin::Bin/.." or die "$!\n";
my $build = Cwd::abs_path($ENV{BUILD_DIR} || '.');
plan skip_all => "$build/Makefile is not there: run make first" unless -e "$build/Makefile";
plan skip_all => 'needs the stand-in LMS: perl t/TEST t/packages.t' unless $ENV{LMS_ROOT};
my $dir = File::Temp::tempdir('edxsso-packages-XXXXXX', TMPDIR => 1, CLEANUP => 1);

sub slurp { my ($file) = @_; open my $in, '<', $file or return ''; local $/; return scalar <$in> }
sub run_ok {
    my ($name, $command) = @_;
    my $output = `($command) 2>&1 </dev/null`;
    ok($? == 0, $name) or diag(substr $output, -3000);
    return $output;
}

# Somebody signs in with a module that is not the one of the build.
sub signs_in_with {
    my ($name, $so) = @_;
    my $fake = "$dir/" . ($name =~ s/\W+/-/gr);
    mkdir $_ for $fake, "$fake/.libs";
    symlink $so, "$fake/.libs/mod_auth_edxsso.so";
    local $ENV{BUILD_DIR} = $fake;
    my $httpd = site()->start;
    ok(sign_in($httpd), "$name: somebody signs in") or diag($httpd->log_text);
    $httpd->stop;
    return;
}

own_lms();
lms_reset();

# ---- one version everywhere

my ($version) = slurp('configure.ac') =~ /AC_INIT\(\[mod_auth_edxsso\], \[([\d.]+)\]/;
like(slurp('debian/changelog'), qr/\Amod-auth-edxsso \(\Q$version\E\) /, 'debian/changelog has the version');
like(slurp('build/mod_auth_edxsso.spec'), qr/^Version: +\Q$version\E$/m, 'the spec has it');
like(slurp('CHANGES'), qr/^\Q$version\E$/m, 'CHANGES has it');

SKIP: {
    skip 'no rpmspec here', 1 unless grep { -x "$_/rpmspec" } split /:/, $ENV{PATH};
    my $spec = run_ok('rpmspec reads the spec', "rpmspec -D '_topdir $dir' -P build/mod_auth_edxsso.spec");
    like($spec, qr/^Requires: +httpd/m, 'as a package');
}
SKIP: {
    skip 'no man here', 1 unless grep { -x "$_/man" } split /:/, $ENV{PATH};
    my $page = run_ok('man shows the page', 'MANWIDTH=100 man --warnings -E UTF-8 -l docs/mod_auth_edxsso.8');
    like($page, qr/EDXSSO_CHECK/, 'with the commands');
    unlike($page, qr/warning:|error:/, 'without warnings');
}

# ---- the samples

{
    my $env = "Define APACHE_LOG_DIR $dir\n";
    for my $sample (sort(glob 'conf.d/samples/*.conf'), 'conf.d/auth_edxsso.conf') {
        my $text = slurp($sample);
        my ($exit, $output) = EdxSSO::Httpd->config_test($env . $text, modules => ['authz_host']);
        ok($exit == 0 && $output !~ /SSO\d{4}/, "$sample, as it comes") or diag($output);
        next unless $text =~ s{/etc/edxsso/}{$dir/}g;
        $text =~ s/^#(?=<|    |$)//mg; # and with what it has to show
        symlink "$ENV{LMS_FILES}/lms-jwks.json", "$dir/lms-jwks.json";
        for my $secret (qw(lms.secret entra.secret)) {
            open my $out, '>', "$dir/$secret" or die "$!\n";
            print {$out} "a-secret\n";
            close $out;
            chmod 0600, "$dir/$secret";
        }
        ($exit, $output) = EdxSSO::Httpd->config_test($env . $text, modules => ['authz_host'], defines => ['DUMP_EDXSSO']);
        ok($exit == 0 && $output =~ /<EdxSSOProvider \w+ (?:edx|entra)>/, "$sample, put to use") or diag($output);
    }
}

# ---- make install

{
    my $root = "$dir/installed";
    run_ok('make install DESTDIR', "make -s -C $build install DESTDIR=$root");
    my $so = "$root" . EdxSSO::Httpd::module_dir() . '/mod_auth_edxsso.so';
    ok(-e $so, 'the module is where httpd looks');
    my @found = map { chomp; $_ } `cd $root && find . -type f`;
    ok(!(grep { /\.la$/ } @found), 'nothing of libtool');
    for my $wanted (qr{/auth_edxsso\.load$}, qr{/auth_edxsso\.conf$}, qr{/samples/edxsso-metrics\.conf$}, qr{/man8/mod_auth_edxsso\.8$}) {
        ok((grep { $_ =~ $wanted } @found), "installed: $wanted") or diag(join "\n", @found);
    }
    signs_in_with('make install', $so);
    run_ok('make uninstall', "make -s -C $build uninstall DESTDIR=$root");
    is(`find $root -type f`, '', 'leaves nothing');
}

# ---- make dist, and a package from it

SKIP: {
    skip 'long: TEST_SLOW=1', 1 unless slow();
    run_ok('make dist', "make -s -C $build dist && mv $build/mod_auth_edxsso-$version.tar.xz $dir && tar -C $dir -xf $dir/mod_auth_edxsso-$version.tar.xz");
    my $tree = "$dir/mod_auth_edxsso-$version";
    my $known = `git ls-files 2>/dev/null`;
    my @lacks = grep { !-e "$tree/$_" && !m{^\.git|^\.ci/} } split /\n/, $known;
    is("@lacks", '', 'it has all files');
    run_ok('make deb, from what was packed', "DEB_BUILD_OPTIONS=noautodbgsym DEB_DIR=$dir/deb sh $tree/build/deb.sh");
    my ($deb) = glob "$dir/deb/libapache2-mod-auth-edxsso_${version}_*.deb";
    ok($deb, 'a package') or last SKIP;
    my ($changes) = glob "$dir/deb/*.changes";
    my $lint = run_ok('lintian', "lintian --no-cfg --fail-on error --suppress-tags bad-distribution-in-changes-file $changes");
    diag($lint) if $lint =~ /^W:/m;
    run_ok('dpkg -x', "dpkg -x $deb $dir/root");
    for my $file (qw(usr/lib/apache2/modules/mod_auth_edxsso.so etc/apache2/mods-available/auth_edxsso.load
        etc/apache2/mods-available/auth_edxsso.conf etc/apache2/conf-available/edxsso-metrics.conf
        usr/share/mod_auth_edxsso/pages/de.lang usr/share/man/man8/mod_auth_edxsso.8.gz usr/share/doc/libapache2-mod-auth-edxsso/directives.md.gz)) {
        ok(-e "$dir/root/$file", $file);
    }
    like(`dpkg -e $deb $dir/control && cat $dir/control/postinst`, qr/for conf in auth_edxsso\b.*apache2_invoke enmod/s, 'it is enabled when installed');
    signs_in_with('package', "$dir/root/usr/lib/apache2/modules/mod_auth_edxsso.so");
    # what a2enmod links to
    my $load = slurp("$dir/root/etc/apache2/mods-available/auth_edxsso.load") . slurp("$dir/root/etc/apache2/mods-available/auth_edxsso.conf");
    $load =~ s{ /usr/lib}{ $dir/root/usr/lib};
    my ($exit, $output) = EdxSSO::Httpd->config_test($load, without_module => 1);
    is($exit, 0, 'a2enmod auth_edxsso: httpd -t') or diag($output);
}

done_testing();
