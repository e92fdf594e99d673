# SPDX-License-Identifier: Apache-2.0
# httpd -t -D EDXSSO_CHECK: what is well, what is not and how to mend it, at stand-ins that are made to fail.
use strict;
use warnings;
use File::Temp ();
use JSON::PP ();
use IO::Socket::INET;
use POSIX ();
use EdxSSO::Httpd;
use EdxSSO::Servers;
use EdxSSO::SignIn;
use EdxSSO::Site;
use EdxSSO::Test;

my $TOKEN = '/oauth2/access_token';
my $dir = File::Temp->newdir;
lms_reset();

sub check {
    my ($config, %option) = @_;
    return EdxSSO::Httpd->config_test($config, defines => ['EDXSSO_CHECK'], %option);
}
sub edx { my (%option) = @_; return site_text(%option) }

# One thing is made to fail: the line that says so, the exit status.
sub finds {
    my ($name, $line, $config, %option) = @_;
    my ($exit, $output) = check($config);
    like($output, $line, $name) or diag($output);
    is($exit, $option{fine} ? 0 : 1, "$name: exit status");
    unlike($output, qr/studio-secret/, "$name: no secret");
    return $output;
}

# ---- all is well

my $output = finds('a healthy LMS', qr/^ok +localhost: lms: client: the client is known, and its secret is right/m, edx(), fine => 1);
like($output, qr{^ok +localhost: lms: redirect URI: http://localhost:\d+/edxsso/callback/lms has to be registered there}m, 'the redirect URI');
like($output, qr{^ok +localhost: lms: host: \Q$ENV{LMS_ROOT}\E answers, clocks are \d+ s apart$}m, 'host and clock');
like($output, qr{^ok +localhost: lms: keys: configured: \d+ keys? \(RSA}m, 'keys');
like($output, qr{^ok +localhost: lms: introspection: this client may ask}m, 'introspection');
like($output, qr{^ok +main server: store: shared memory}m, 'the store');
like($output, qr{^0 things to put right$}m, 'the sum');
like($output, qr{^Syntax OK$}m, 'and what httpd -t says');
is(lms_last()->{form}{grant_type}[0], 'authorization_code', 'a made-up code was sent');

my $entra = "EdxSSOProvider campus entra>\nEdxSSOTenant contoso.onmicrosoft.com\nEdxSSOAuthority $ENV{ENTRA_ROOT}\n"
    . "EdxSSOClientID fa295920-228f-5d6b-82fd-aebf62c79b77\nEdxSSOGraph profile\nEdxSSOGraphRoot $ENV{GRAPH_ROOT}\n";
$output = finds('a healthy Entra', qr/^ok +localhost: campus: client: the client is known, and its secret is right$/m,
    "<${entra}EdxSSOClientSecret s3cr~et.of_edx-1\n</EdxSSOProvider>\n", fine => 1);
like($output, qr{^ok +localhost: campus: metadata: \S+, issuer \S+/v2.0$}m, 'its metadata');
like($output, qr{^ok +localhost: campus: keys: \S+: \d+ keys? \(RSA}m, 'its keys');
$output = finds('a wrong secret at Entra', qr/^WRONG +localhost: campus: client: the client or its secret is refused \(error=invalid_client: AADSTS7000215/m,
    "<${entra}EdxSSOClientSecret wrong-secret\n</EdxSSOProvider>\n");
unlike($output, qr/wrong-secret/, 'which is not shown');

# what the browser will know each virtual host as
my $hosts = '';
for my $host (['*:8443', 'one.test', 'SSLEngine on'], ['*:443', 'two.test', ''], ['*:8080', 'https://three.test', ''],
    ['*:8080', 'four.test:9000', ''], ['*:80', 'five.test', 'SSLEngine off'], ['*:8080', 'six.test:8080', 'SSLEngine off']) {
    my $section = edx();
    $section =~ s/<Location.*//s;
    $hosts .= "<VirtualHost $host->[0]>\nServerName $host->[1]\n$host->[2]\n$section</VirtualHost>\n";
}
(undef, $output) = check($hosts, modules => ['ssl']);
for my $origin (qw(https://one.test:8443 https://two.test https://three.test http://four.test:9000 http://five.test http://six.test:8080)) {
    like($output, qr{redirect URI: \Q$origin\E/edxsso/callback/lms has}, "redirect URI of $origin") or diag($output);
}

my $client = "<EdxSSOProvider tpa edx>\nEdxSSOSignIn off\nEdxSSOURLRoot $ENV{LMS_ROOT}\nEdxSSOClientID %s\nEdxSSOClientSecret %s\n</EdxSSOProvider>\n";
$output = finds('a section that is only a client', qr/^ok +localhost: tpa: client: the client is known, and its secret is right$/m,
    edx() . sprintf($client, 'worker', 'worker-secret'), fine => 1);
unlike($output, qr/tpa: redirect URI/, 'it has no redirect URI');
finds('a client that may sign people in only', qr/^WRONG +localhost: tpa: client: the client may not do this.*unauthorized_client.*'Client credentials'/m,
    edx() . sprintf($client, 'studio-sso', 'studio-secret'));

my $mapped = sub { edx(provider => "EdxSSOIDMapping tpa $_[0]\n") . sprintf $client, 'worker', 'worker-secret' };
$output = finds('the ID mapping', qr{^ok +localhost: lms: ID mapping: \S+/providers/saml-ubc/users answers the client of tpa$}m,
    $mapped->('saml-ubc'), fine => 1);
like($output, qr/^0 things to put right$/m, 'and all else');

# ---- what is not

finds('a provider that the ID mapping does not know', qr/^WRONG +localhost: lms: ID mapping: SSO1214: the LMS has no provider 'saml-nobody'/m,
    $mapped->('saml-nobody'));
{
    my $api = '/api/third_party_auth/v0/providers/saml-ubc/users';
    my $json = { 'Content-Type' => 'application/json' };
    lms(answer => { endpoint => $api, status => 403, headers => $json, body => '{"detail":"No."}', count => 0 });
    finds('an ID mapping that refuses', qr/^WRONG +localhost: lms: ID mapping: SSO1213: we may not ask it .403.: .*staff rights/m, $mapped->('saml-ubc'));
    lms_reset();
    lms(answer => { endpoint => $api, status => 401, headers => $json, body => '{"detail":"No."}', count => 0 });
    finds('one that does not take the token', qr/^WRONG +localhost: lms: ID mapping: SSO1212: /m, $mapped->('saml-ubc'));
    lms_reset();
    lms(answer => { endpoint => $TOKEN, status => 400, headers => $json, count => 0,
        body => '{"error":"invalid_client","error_description":"worker-secret is wrong"}' });
    $output = finds('one whose token endpoint repeats the secret', qr/^WRONG +localhost: lms: ID mapping: \(what it says repeats the secret/m,
        $mapped->('saml-ubc'));
    unlike($output, qr/worker-secret/, 'it is not shown');
    lms_reset();
}

my $wrong = edx();
$wrong =~ s/^EdxSSOClientSecret .*$/EdxSSOClientSecret not-the-secret/m;
$output = finds('a wrong secret', qr/^WRONG .*: client: the client or its secret is refused \(error=invalid_client.*; compare EdxSSOClientID/m, $wrong);
unlike($output, qr/not-the-secret/, 'it is not shown');
like($output, qr/^1 thing to put right$/m, 'one thing');
unlike($output, qr/^Syntax OK$/m, 'httpd does not say that all is well');

my $closed = EdxSSO::Httpd::free_port();
$output = finds('nobody there', qr/^WRONG .*: host: SSO0306: .*; does it run, on that port\?/m, edx(root => "http://127.0.0.1:$closed"));
unlike($output, qr/: client:/, 'what needs it is not tried');

{
    lms(answer => { endpoint => $TOKEN, status => 400, headers => { 'Content-Type' => 'application/json' }, count => 0,
        body => '{"error":"invalid_client","error_description":"\u001b[2J\u0007 no"}' });
    $output = finds('a provider that plays with the terminal', qr/error=invalid_client: \\x1b\[2J\\a no/, edx());
    lms_reset();
    lms(answer => { endpoint => $TOKEN, status => 400, headers => { 'Content-Type' => 'application/json' }, count => 0,
        body => '{"error":"invalid_client","error_description":"studio-secret is wrong"}' });
    finds('a provider that repeats the secret', qr/: client: \(what it says repeats the secret, and is left out\)/, edx());
    lms_reset();
    lms(answer => { endpoint => $TOKEN, status => 404, headers => { 'Content-Type' => 'text/html' }, body => 'gone', count => 0 });
    finds('no token endpoint there', qr/^WRONG .*: client: \S+ answers 404 and no OAuth error/m, edx());
    lms_reset();
    lms(answer => { endpoint => $TOKEN, status => 429, headers => { 'Content-Type' => 'text/html' }, body => 'later', count => 0 });
    finds('too many requests', qr/^note .*: client: cannot be told: \S+ answers 429/m, edx(), fine => 1);
    lms_reset();
    lms(config => { legacy_discovery => JSON::PP::true() });
    lms(answer => { endpoint => '/oauth2/jwks.json', status => 200, headers => { 'Content-Type' => 'application/json' },
        body => '{"keys":[]}', count => 0 });
    finds('no usable keys', qr/^WRONG .*: keys: SSO0375: /m, edx(provider => "EdxSSODiscovery on\n"));
    lms(answer => { endpoint => '/oauth2/.well-known/openid-configuration', status => 200, count => 0,
        headers => { 'Content-Type' => 'application/json' }, body => '{"issuer":"https://other.example.org"}' });
    finds('another issuer', qr/^WRONG .*: metadata: SSO0371: .*; EdxSSOIssuer must be that text/m, edx(provider => "EdxSSODiscovery on\n"));
    lms_reset();
}

# ---- clocks: a token endpoint of ten minutes ahead

{
    my $listen = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "$!\n";
    my $root = 'http://127.0.0.1:' . $listen->sockport;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my $date = POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time + 600));
        my $body = '{"error":"invalid_grant"}';
        while (my $call = $listen->accept) {
            my $length = 0;
            while (defined(my $line = <$call>)) { $length = $1 if $line =~ /^Content-Length: (\d+)/i; last if $line =~ /^\r?\n/ }
            read $call, my $form, $length if $length;
            print {$call} "HTTP/1.1 400 Bad Request\r\nDate: $date\r\nConnection: close\r\nContent-Type: application/json\r\n",
                'Content-Length: ', length $body, "\r\n\r\n$body";
            close $call;
        }
        POSIX::_exit(0);
    }
    finds('its clock', qr/^WRONG .*: host: .* clocks are \d{3} s apart: its clock is ahead of this machine's.*timedatectl/m,
        edx(provider => "EdxSSOEndpoint token $root/token\n"));
    kill TERM => $pid;
    waitpid $pid, 0;
}

# ---- certificates

my @cert = map { "$dir/$_" } qw(cert.pem key.pem);
system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
    . "-addext subjectAltName=IP:127.0.0.1 -out $cert[0] -keyout $cert[1] 2>/dev/null") == 0
    or die "openssl req failed\n";
my $servers = EdxSSO::Servers->new;
my $tls = $servers->start('/usr/bin/python3', 't/lib/outgoing.py', 'tls', @cert, $ENV{LMS_FILES});
my $jwks = "EdxSSOJWKS $tls/lms-jwks.json\n";
finds('an unknown authority', qr/^WRONG .*: host: SSO0320: .*; EdxSSOHTTPCAFile/m, edx(provider => $jwks));
finds('a certificate that ends soon', qr/^note .*: host: \S+ answers, certificate good for 1 day, .*renewed soon/m,
    edx(provider => $jwks, server => "EdxSSOHTTPCAFile $cert[0]\n"), fine => 1);

# ---- the store

finds('a Redis that is not there', qr/^WRONG +main server: store: SSO02\d\d: /m, edx(server => "EdxSSOStore redis://127.0.0.1:$closed\n"));

# ---- httpd -t alone asks nobody

{
    lms_reset();
    my ($exit, $text) = EdxSSO::Httpd->config_test(edx());
    is($exit, 0, 'httpd -t');
    is(lms_calls($TOKEN), 0, 'calls nobody');
    unlike($text, qr/things? to put right/, 'and says nothing of it');
}

done_testing();
