# SPDX-License-Identifier: Apache-2.0
# The LMS's logout page in Chromium: its hidden frames end the session here, where the browser sends our cookie into them.
# Needs Debian's chromium (or CHROMIUM), nothing else: one navigation, of which the last page is looked at.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Httpd;
use EdxSSO::SignIn;
use EdxSSO::Site;
use File::Temp ();
alone();

my ($chromium) = grep { defined && -x } $ENV{CHROMIUM}, map { my $dir = $_; map { "$dir/$_" } qw(chromium chromium-browser) } split /:/, $ENV{PATH};
if (!$chromium) {
    die "needs chromium\n" if $ENV{CI};
    plan(skip_all => 'needs chromium');
}
own_lms();
lms_reset();
my ($port) = lms_root() =~ /:(\d+)$/;
my $home = File::Temp::tempdir('edxsso-home-XXXXXX', TMPDIR => 1, CLEANUP => 1);

# The text of the page that a chain of pages ends in.
sub last_page {
    my ($url) = @_;
    my $profile = File::Temp::tempdir(DIR => $home);
    local $ENV{HOME} = $home;
    delete local @ENV{qw(http_proxy https_proxy HTTP_PROXY HTTPS_PROXY)};
    my $dom = `timeout 120 '$chromium' --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --user-data-dir='$profile' --virtual-time-budget=20000 --timeout=60000 --dump-dom '$url' 2>/dev/null`;
    return $dom;
}

sub spew { my ($file, $text) = @_; open my $out, '>', $file or die "$file: $!\n"; print {$out} $text; close $out or die "$file: $!\n"; return }

# Signed in, the app's page leads to the LMS's logout, whose page leads to /open/after.html when its frames are loaded;
# and that one shows what is left of the session. (An LMS leaves out the frame of the site that a Referer names.)
sub walk {
    my ($public) = @_;
    my $httpd = site(root => lms_root(), provider => "EdxSSOPublicURLRoot $public\nEdxSSOIssuer " . lms_root() . "/oauth2\n", more => "AddType text/html .html\n");
    my $here = 'http://localhost:' . $httpd->port;
    lms(config => { ida_logout_uris => ["$here/edxsso/logout"], login_whitelist => ['localhost:' . $httpd->port] });
    spew($httpd->dir . '/htdocs/app/start.html', "<!DOCTYPE html><title>in</title><meta name=\"referrer\" content=\"no-referrer\"><p>signed in</p><script>location = '$public/logout?redirect_url=' + encodeURIComponent('$here/open/after.html')</script>");
    spew($httpd->dir . '/htdocs/open/after.html', "<!DOCTYPE html><title>after</title><p id=\"said\">not asked</p><script>fetch('/edxsso/session').then(function (answer) { document.getElementById('said').textContent = 'session: ' + answer.status; });</script>");
    $httpd->start;
    my $dom = last_page("$here/app/start.html");
    return ($dom, $httpd->log_text);
}

my ($dom, $log) = walk("http://localhost:$port");
like($log, qr/SSO0564: callback: lms: 'jsmith' is signed in/, 'signed in, in Chromium');
cmp_ok(lms_calls('/logout'), '>=', 1, "the LMS's logout page was loaded");
like($dom, qr/session: 401/, 'its frame has ended the session here') or diag($dom);

# Another site: the cookie, SameSite=Lax, is not sent into the frame. The page goes on all the same.
($dom, $log) = walk("http://127.0.0.1:$port");
like($log, qr/SSO0564: callback: lms: 'jsmith' is signed in/, 'another site: signed in');
like($dom, qr/session: 200/, 'another site: a frame without a cookie ends nothing, as docs/directives.md says') or diag($dom);
done_testing();
