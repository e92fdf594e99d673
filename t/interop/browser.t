# SPDX-License-Identifier: Apache-2.0
# The pages in Chromium, and by axe-core: t/interop/browser/walk.js walks, this test has httpd and providers of its own.
# Needs Debian's chromium (or CHROMIUM), nodejs 18 or newer and npm; the packages are installed into NODE_DIR
# (default: t/logs/node-browser). The screenshots are in t/logs/pages. TEST_SLOW: every language.
use strict;
use warnings;
use Cwd ();
use File::Copy ();
use File::Path ();
use File::Temp ();
use JSON::PP ();
use EdxSSO::Test;
use EdxSSO::Httpd;
use EdxSSO::Servers;

alone();

sub text_of { my ($file) = @_; open my $in, '<', $file or return ''; local $/; return <$in> }

sub spew {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print {$out} $text;
    close $out or die "$file: $!\n";
    return;
}

sub in_path {
    my ($name) = @_;
    return (grep { -x } map { "$_/$name" } split /:/, $ENV{PATH})[0];
}

# What is lacking, or nothing.
sub install {
    my ($dir) = @_;
    my $version = `node --version 2>&1` || '';
    return 'needs nodejs 18 or newer' unless $version =~ /^v(\d+)/ && $1 >= 18;
    File::Path::make_path($dir);
    my $list = text_of('t/interop/browser/package-lock.json');
    if (text_of("$dir/installed") ne $list) {
        unlink "$dir/installed";
        File::Copy::copy("t/interop/browser/$_", "$dir/$_") or die "$dir/$_: $!\n" for qw(package.json package-lock.json);
        my $said = `cd '$dir' && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000 2>&1`;
        return "npm could not install the packages: $said" if $?;
        File::Copy::copy("$dir/package-lock.json", "$dir/installed");
    }
    File::Copy::copy('t/interop/browser/walk.js', "$dir/walk.js") or die "$dir/walk.js: $!\n";
    return;
}

my $chromium = $ENV{CHROMIUM} || in_path('chromium') || in_path('chromium-browser');
my $node_dir = $ENV{NODE_DIR} || Cwd::getcwd() . '/t/logs/node-browser';
if (my $lack = $chromium ? install($node_dir) : 'needs chromium') {
    die $lack if $ENV{CI}; # there they have to be
    plan(skip_all => substr $lack =~ s/\s+/ /gr, 0, 200);
}

# ---- providers and a site

my $files = File::Temp::tempdir('edxsso-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $servers = EdxSSO::Servers->new(logs => $files);
my $lms = $servers->start('/usr/bin/python3', 't/idp/lms.py', '--write-jwks', "$files/lms-jwks.json");
my $entra = $servers->start('/usr/bin/python3', 't/idp/entra.py');
my $echo = $servers->start('/usr/bin/python3', 't/lib/echo.py');
my $httpd = EdxSSO::Httpd->new(config => <<"EOT");
<EdxSSOProvider lms edx>
    EdxSSOURLRoot       $lms
    EdxSSOClientID      studio-sso
    EdxSSOClientSecret  studio-secret
    EdxSSOJWKS          file:$files/lms-jwks.json
</EdxSSOProvider>
<EdxSSOProvider entra entra>
    EdxSSOTenant        contoso.onmicrosoft.com
    EdxSSOAuthority     $entra
    EdxSSOClientID      fa295920-228f-5d6b-82fd-aebf62c79b77
    EdxSSOClientSecret  s3cr~et.of_edx-1
    EdxSSODisplayName   "Campus account"
</EdxSSOProvider>
<EdxSSOProvider strict edx>
    EdxSSOURLRoot       $lms
    EdxSSOClientID      studio-sso
    EdxSSOClientSecret  studio-secret
    EdxSSOJWKS          file:$files/lms-jwks.json
    EdxSSOCallbackPath  /complete/edx-oauth2/
    EdxSSORequireClaim  email
    EdxSSODisplayName   "Library card"
</EdxSSOProvider>
<EdxSSOProvider down oidc>
    EdxSSOIssuer        http://127.0.0.1:9
    EdxSSOClientID      site
    EdxSSOClientSecret  secret
    EdxSSODisplayName   "Studierendensekretariat und Universitätsbibliothek"
</EdxSSOProvider>
<LocationMatch "^/(studio|staff)/">
    AuthType edxsso
    EdxSSOUse lms entra
    Require valid-user
</LocationMatch>
ProxyPass "/save" "$echo/save"
<Location "/save">
    AuthType edxsso
    EdxSSOUse lms
    EdxSSOPreservePOST on
    Require valid-user
</Location>
<Location "/staff/">
    Require user nobody-of-this-name
</Location>
AddType text/html .html
DirectoryIndex index.html
# what asks beside the browser does not ask again where a kept connection ends at the same moment
KeepAliveTimeout 300
EOT
for my $place ('', '/studio', '/staff') {
    mkdir $httpd->dir . "/htdocs$place";
    spew($httpd->dir . "/htdocs$place/index.html", '<!DOCTYPE html><html lang="en"><title>Studio</title><h1>Studio</h1>');
}
spew($httpd->dir . '/htdocs/form.html', '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Form</title>'
    . '<form method="post" action="/save"><input name="title" value="K&ouml;ln &amp; more"><button>Save</button></form>');
$httpd->start;

# ---- the walk

my $shots = $ENV{SHOTS} || Cwd::getcwd() . '/t/logs/pages';
File::Path::make_path($shots);
my $home = File::Temp::tempdir('edxsso-home-XXXXXX', TMPDIR => 1, CLEANUP => 1);
local @ENV{qw(SITE ELSEWHERE SHOTS CHROMIUM HOME ALL)} =
    ($httpd->url, "$lms/login", $shots, $chromium, $home, slow() ? 1 : '');
delete local @ENV{qw(http_proxy https_proxy HTTP_PROXY HTTPS_PROXY)};
open my $walk, '-|', "cd '$node_dir' && exec timeout 240 node walk.js 2>&1" or die "node: $!\n";
my $done;
while (my $line = <$walk>) {
    my $said = eval { JSON::PP->new->utf8->decode($line) };
    if (!$said) {
        diag($line);
    } elsif ($said->{done}) {
        $done = 1;
    } else {
        utf8::encode($_) for $said->{name}, $said->{detail} //= '';
        ok($said->{ok}, $said->{name}) or diag($said->{detail});
    }
}
close $walk;
ok($done, 'the walk came to its end');
unlike($httpd->log_text, qr/\[(crit|alert|emerg)\]|AH00052|SSO1280/, 'httpd had no trouble');
$httpd->stop;
done_testing();
