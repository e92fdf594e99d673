# SPDX-License-Identifier: Apache-2.0
# Calls to providers as EdxSSOHTTPProxy, EdxSSOHTTPCAFile and EdxSSOHTTPTimeout say, and not as the
# environment says.
use strict;
use warnings;
use EdxSSO::Browser;
use EdxSSO::Servers;
use EdxSSO::SignIn;
use EdxSSO::Site;
use EdxSSO::Test;
use File::Temp ();

my $dir = File::Temp->newdir;
my @TOOL = ('/usr/bin/python3', 't/lib/outgoing.py');
my $servers = EdxSSO::Servers->new;
allow_log('SSO0564');
lms_reset();
default_user('jsmith');

sub proxied {
    my $answer = EdxSSO::Browser->new(base => $_[0], as => 'plain')->get('/count');
    return split ' ', $answer->body;
}

# ---- a proxy: it is the way to a host that only it can reach
my $proxy = $servers->start(@TOOL, 'proxy', $ENV{LMS_ROOT});
{
    my $httpd = site(root => 'http://lms.elsewhere.example', server => "EdxSSOHTTPProxy $proxy\n",
        provider => "EdxSSOPublicURLRoot $ENV{LMS_ROOT}\nEdxSSOIssuer $ENV{LMS_ROOT}/oauth2\n");
    $httpd->start;
    ok(sign_in($httpd), 'signed in through the proxy') or diag($httpd->log_text);
    is(join(' ', proxied($proxy)), 'lms.elsewhere.example', 'the proxy was asked for the token endpoint, once');
    $httpd->stop;
}

# ---- no proxy by the environment
{
    local @ENV{qw(http_proxy HTTP_PROXY https_proxy all_proxy)} = ($proxy) x 4;
    my $before = () = proxied($proxy);
    my $httpd = site();
    $httpd->start;
    ok(sign_in($httpd), 'signed in with http_proxy in the environment');
    is(scalar(() = proxied($proxy)), $before, 'and the proxy was not asked');
    $httpd->stop;
}

# ---- certificates: keys at an https address whose issuer only EdxSSOHTTPCAFile knows
my @cert = map { "$dir/$_" } qw(cert.pem key.pem);
system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
    . "-addext subjectAltName=IP:127.0.0.1 -out $cert[0] -keyout $cert[1] 2>/dev/null") == 0
    or die "openssl req failed\n";
my $tls = $servers->start(@TOOL, 'tls', @cert, $ENV{LMS_FILES});
for my $known (0, 1) {
    my $httpd = site(provider => "EdxSSOJWKS $tls/lms-jwks.json\nEdxSSOJWKSCacheTTL 1h\n",
        server => $known ? "EdxSSOHTTPCAFile $cert[0]\n" : '');
    $httpd->start;
    if ($known) {
        ok(sign_in($httpd), 'EdxSSOHTTPCAFile: the certificate is believed') or diag($httpd->log_text);
    }
    else {
        my $browser = EdxSSO::Browser->new(base => $httpd->url);
        my $answer = $browser->follow($browser->get('/app/index.txt'));
        is($answer->status, 503, 'a certificate that nobody vouches for: nothing is fetched');
        like($httpd->log_text, qr/SSO0320/, 'the log says why');
    }
    $httpd->stop;
}
done_testing();
