# SPDX-License-Identifier: Apache-2.0
# The site proves who it is by its certificate (tls_client_auth, RFC 8705) at a token endpoint that demands
# one; and no secret leaves for a server whose own certificate is not right.
use strict;
use warnings;
use EdxSSO::Browser;
use EdxSSO::Httpd;
use EdxSSO::OIDF ();
use EdxSSO::Servers;
use EdxSSO::SignIn;
use EdxSSO::Test;
use File::Temp ();

my $dir = File::Temp::tempdir(CLEANUP => 1);
chmod 0755, $dir;
system('/usr/bin/python3', 't/lib/certificates.py', $dir) == 0 or die "no certificates\n";
my $servers = EdxSSO::Servers->new;
my @OIDC = ('/usr/bin/python3', 't/idp/oidc.py', '--mtls');
my ($root, $mtls) = $servers->start(@OIDC, map { "$dir/$_" } qw(server.pem server.key ca.pem));
sub slurp { my ($file) = @_; open my $in, '<', $file or die "$file: $!\n"; local $/; return scalar <$in> }

my $httpd;
# A sign-in with these lines in the section; what became of it.
sub attempt {
    my (%how) = @_;
    my $text = join "\n", "EdxSSOHTTPCAFile " . ($how{ca} // "$dir/ca.pem"), '<EdxSSOProvider oidc oidc>', 'EdxSSOIssuer ' . ($how{root} // $root),
        'EdxSSOClientID rp', @{ $how{lines} }, '</EdxSSOProvider>', '<Location /app>', 'AuthType edxsso', 'Require valid-user', "</Location>\n";
    if ($httpd) { $httpd->configure($text); $httpd->restart }
    else { $httpd = EdxSSO::Httpd->new(config => $text); $httpd->start }
    local $ENV{OIDC_ROOT} = $how{root} // $root;
    oidc(reset => {});
    oidc(user => { default => 'jane' });
    oidc(clients => { client_id => 'rp', %{ $how{client} || {} } });
    oidc(config => $how{config}) if $how{config};
    my $before = length $httpd->log_text;
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    my $answer = $browser->follow($browser->get('/app/'));
    my $session = $browser->get('/edxsso/session', as => 'fetch')->status == 200;
    my $log = substr $httpd->log_text, $before;
    return { answer => $answer, session => $session, log => $log,
        calls => [map { @{ oidc("requests?endpoint=$_")->{requests} } } qw(/token /par)] };
}
my @BY_CERTIFICATE = ('EdxSSOClientAuth tls_client_auth', "EdxSSOClientCertificate $dir/client.pem $dir/client.key");
my $BARE = "EdxSSODiscovery $root/.well-known/openid-configuration?_omit=mtls_endpoint_aliases";
my $registered = { method => 'tls_client_auth', certs => [slurp("$dir/client.pem")] };

subtest 'oidcc-client-test-mtls-endpoint-aliases' => sub {
    my $got = attempt(lines => [@BY_CERTIFICATE], client => $registered);
    ok($got->{session}, 'signed in') or diag($got->{log});
    is(join(' ', map { "$_->{endpoint} $_->{root} $_->{client_auth}" } @{ $got->{calls} }),
        '/token mtls tls_client_auth /par mtls tls_client_auth', 'both calls went to the aliases, and showed the certificate');
    my ($token) = grep { $_->{endpoint} eq '/token' } @{ $got->{calls} };
    is($token->{form}{client_id}[0], 'rp', 'the client is named (RFC 8705 2)');
    ok(!$token->{form}{client_secret} && !$token->{form}{client_assertion}, 'and proves it by nothing else');
};
subtest 'an endpoint that was configured counts before the metadata' => sub {
    my $got = attempt(lines => [@BY_CERTIFICATE, 'EdxSSOPAR off', "EdxSSOEndpoint token $mtls/token", $BARE],
        client => $registered);
    ok($got->{session}, 'signed in') or diag($got->{log});
    is($got->{calls}[0]{client_auth}, 'tls_client_auth', 'by its certificate');
};
subtest 'who has no certificate for it uses the common endpoints' => sub {
    my $got = attempt(lines => ['EdxSSOClientSecret rp-secret-of-at-least-thirty-two-bytes']);
    ok($got->{session}, 'signed in') or diag($got->{log});
    is(join(' ', map { $_->{root} } @{ $got->{calls} }), 'both both', 'at the ones for everybody');
};
for my $case (
    ['a certificate of another client', 'other', 502, 'SSO0401', 1], ['a certificate that the CA did not sign', 'foreign', 503, 'SSO03\d\d', 0],
) {
    my ($name, $pair, $status, $number, $calls) = @$case;
    subtest $name => sub {
        my $got = attempt(lines => ['EdxSSOClientAuth tls_client_auth', "EdxSSOClientCertificate $dir/$pair.pem $dir/$pair.key", 'EdxSSOPAR off'],
            client => $registered);
        is($got->{answer}->status, $status, 'status');
        ok(!$got->{session}, 'not signed in');
        like($got->{log}, qr/$number: callback: oidc: /, 'the log says so');
        is(scalar @{ $got->{calls} }, $calls, 'calls that got through');
    };
}
subtest 'no place to show it' => sub {
    my $got = attempt(lines => [@BY_CERTIFICATE, 'EdxSSOPAR off', $BARE], client => $registered);
    is($got->{answer}->status, 500, 'status');
    like($got->{log}, qr/SSO0426: callback: oidc: .*is not https/, 'the log says so');
    is(scalar @{ $got->{calls} }, 0, 'nothing was sent by http');
};

# ---- the server's own certificate: what is wrong is found before anything secret is sent
for my $case (['for another host', 'elsewhere'], ['expired', 'expired'], ['self-signed', 'lone']) {
    my ($name, $pair) = @$case;
    my ($place, $bad) = $servers->start(@OIDC, "$dir/$pair.pem", "$dir/$pair.key", "$dir/ca.pem");
    for my $how (['EdxSSOClientAuth tls_client_auth', "EdxSSOClientCertificate $dir/client.pem $dir/client.key"],
        ['EdxSSOClientSecret rp-secret-of-at-least-thirty-two-bytes', "EdxSSOEndpoint token $bad/token"]) {
        subtest "a server's certificate $name: " . ($how->[0] =~ /(\w+) \S+$/)[0] => sub {
            my $got = attempt(root => $place, lines => [@$how, 'EdxSSOPAR off'], client => $how->[0] =~ /tls/ ? $registered : {});
            is($got->{answer}->status, 503, 'status');
            is($got->{answer}->header('Retry-After'), 5, 'Retry-After');
            ok(!$got->{session}, 'not signed in');
            like($got->{log}, qr/SSO03\d\d: callback: oidc: token endpoint: /, 'the log says so');
            is(scalar @{ $got->{calls} }, 0, 'and nothing was sent');
        };
    }
}
unlike($httpd->log_text, qr/rp-secret|exit signal|BEGIN/, 'no secret in the log');
$httpd->stop;
done_testing();
