# SPDX-License-Identifier: Apache-2.0
# How the site proves who it is: each method at an Entra that checks by itself, the public keys, and mistakes that
# httpd -t tells.
use strict;
use warnings;
use EdxSSO::Browser;
use EdxSSO::Httpd;
use EdxSSO::SignIn;
use EdxSSO::Test;
use File::Temp ();
use JSON::PP ();

my $dir = File::Temp::tempdir(CLEANUP => 1);
chmod 0755, $dir;
my $SECRET = 's3cr~et.of_edx-1';

sub write_file {
    my ($name, $text, $mode) = @_;
    open my $out, '>', "$dir/$name" or die "$name: $!\n";
    print {$out} $text;
    close $out or die "$name: $!\n";
    chmod $mode // 0600, "$dir/$name";
    return "$dir/$name";
}
sub slurp { my ($file) = @_; open my $in, '<', $file or die "$file: $!\n"; local $/; return scalar <$in> }

# A self-signed certificate and its key: "NAME.pem NAME.key"
sub pair {
    my ($name, @newkey) = @_;
    my $output = `openssl req -x509 -newkey @newkey -nodes -keyout $dir/$name.key -out $dir/$name.pem -subj /CN=$name -days 30 2>&1`;
    die "openssl: $output\n" if $?;
    chmod 0600, "$dir/$name.key";
    return "$dir/$name.pem $dir/$name.key";
}
my $rsa = pair('rsa', 'rsa:2048');
my $other = pair('other', 'rsa:2048');
my $small = pair('small', 'rsa:1024');
my $ec = pair('ec', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256');
my $odd = pair('odd', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1');
`openssl pkey -in $dir/rsa.key -aes256 -passout pass:canary -out $dir/locked.key 2>&1`;

# ---- httpd -t

sub section {
    return join "\n", '<EdxSSOProvider lms edx>', 'EdxSSOURLRoot https://lms.example.org', 'EdxSSOClientID studio-sso',
        'EdxSSOJWSHMACKey ' . 'k' x 64, @_, "</EdxSSOProvider>\n";
}
my @mistakes = (
    [['EdxSSOClientAuth private_key_jwt'], 'EdxSSOClientCertificate is missing', '<EdxSSOProvider lms edx>', 'line \d+'],
    [['EdxSSOClientAuth tls_client_auth'], 'EdxSSOClientCertificate is missing'],
    [['EdxSSOClientAuth client_secret_jwt'], 'EdxSSOClientSecret is missing'],
    [["EdxSSOClientCertificate $rsa"], 'EdxSSOClientCertificate is for EdxSSOClientAuth private_key_jwt or tls_client_auth'],
    [['EdxSSOClientAuth client_secret_jwt', 'EdxSSOClientSecret shortcanary'], 'EdxSSOClientSecret', 'HS256 needs 32'],
    [["EdxSSOClientCertificate $dir/rsa.pem"], 'EdxSSOClientCertificate', '2 words'],
    [["EdxSSOClientCertificate $dir/rsa.pem $dir/other.key", 'EdxSSOClientAuth private_key_jwt'], 'EdxSSOClientCertificate', 'other.key', "another one's"],
    [["EdxSSOClientCertificate $dir/rsa.pem $dir/locked.key", 'EdxSSOClientAuth private_key_jwt'], 'locked.key', 'passphrase'],
    [["EdxSSOClientCertificate $dir/rsa.pem $dir/nowhere.key", 'EdxSSOClientAuth private_key_jwt'], 'nowhere.key', 'No such file'],
    [["EdxSSOClientCertificate $dir/nowhere.pem $dir/rsa.key", 'EdxSSOClientAuth tls_client_auth'], 'nowhere.pem', 'No such file'],
    [["EdxSSOClientCertificate $dir/rsa.key $dir/rsa.pem", 'EdxSSOClientAuth tls_client_auth'], 'rsa.key', 'no certificate in it'],
    [["EdxSSOClientCertificate $small", 'EdxSSOClientAuth private_key_jwt'], 'small.key', '1024 bits; it needs 2048'],
    [["EdxSSOClientCertificate $odd", 'EdxSSOClientAuth private_key_jwt'], 'odd.key', 'P-256, P-384, P-521'],
    [["EdxSSOClientCertificate $rsa", 'EdxSSOClientAuth tls_client_auth', 'EdxSSOEndpoint token http://127.0.0.1:9/t'], 'tls_client_auth', 'is not https'],
    [["EdxSSOClientAssertion $dir/token"], 'EdxSSOClientAssertion', 'is not file:/path'],
);
for my $case (@mistakes) {
    my ($lines, @parts) = @$case;
    my ($exit, $output) = EdxSSO::Httpd->config_test(section(@$lines));
    (my $name = join ', ', @$lines) =~ s/\Q$dir\E/DIR/g;
    isnt($exit, 0, "$name: refused");
    like($output, qr/$_/, "$name: says $_") for map { /\\d/ ? $_ : quotemeta } @parts;
    unlike($output, qr/canary/, "$name: no secret");
}
for my $case (["EdxSSOClientCertificate $rsa", 'EdxSSOClientAuth private_key_jwt'], ["EdxSSOClientCertificate $ec", 'EdxSSOClientAuth private_key_jwt'],
    ["EdxSSOClientCertificate $odd", 'EdxSSOClientAuth tls_client_auth'], ['EdxSSOClientAuth client_secret_jwt', 'EdxSSOClientSecret ' . 's' x 32]) {
    my ($exit, $output) = EdxSSO::Httpd->config_test(section(@$case));
    is($exit, 0, "@$case: taken") or diag($output);
    unlike($output, qr/SSO\d{4}/, "@$case: without a word") or diag($output);
}
my ($exit, $output) = EdxSSO::Httpd->config_test(section("EdxSSOClientAssertion file:$dir/not-there-yet"));
is($exit, 0, 'a file that may come later') or diag($output);
like($output, qr/SSO0425: .*not-there-yet/, '... is worth a word');

# ---- sign-in

my $json = JSON::PP->new->canonical;
entra(reset => {});
entra(apps => { name => 'cert', certs => [slurp("$dir/rsa.pem")] });
entra(user => { default => 'adele' });
my %app = map { $_->{name} => $_ } @{ entra('apps') };

my $httpd;
sub configured {
    my ($name, @lines) = @_;
    my $config = join "\n", '<EdxSSOProvider entra entra>', "EdxSSOAuthority $ENV{ENTRA_ROOT}", "EdxSSOTenant $app{$name}{tid}",
        "EdxSSOClientID $app{$name}{client_id}", @lines, '</EdxSSOProvider>', '<Location /app>', 'AuthType edxsso', 'Require valid-user',
        "</Location>\n";
    if ($httpd) { $httpd->configure($config); $httpd->restart }
    else { $httpd = EdxSSO::Httpd->new(config => $config); $httpd->start }
    return;
}
sub sign_in { my $browser = EdxSSO::Browser->new(base => $httpd->url); return ($browser, $browser->follow($browser->get('/app'))) }

sub signs_in {
    my ($method, $name, @lines) = @_;
    configured($name, @lines);
    my ($browser, $answer) = sign_in();
    is($browser->get('/edxsso/session', as => 'fetch')->status, 200, "$method: signed in") or diag($answer->body, $httpd->log_text);
    my $last = entra('requests?endpoint=/*/oauth2/v2.0/token&last=1')->{requests}[0];
    is($last->{client_auth}, $method, "$method: and Entra saw it so");
    return $last;
}

signs_in('client_secret_post', 'single', "EdxSSOClientSecret $SECRET");
signs_in('client_secret_basic', 'single', "EdxSSOClientSecret $SECRET", 'EdxSSOClientAuth client_secret_basic');
my $last = signs_in('private_key_jwt', 'cert', "EdxSSOClientCertificate $rsa", 'EdxSSOClientAuth private_key_jwt');
my ($header, $claims) = @{ $last->{assertion} }{qw(header claims)};
is($header->{alg}, 'PS256', 'private_key_jwt: PS256');
like($claims->{aud}, qr{^\Q$ENV{ENTRA_ROOT}\E/.*/oauth2/v2\.0/token$}, '... for the token endpoint');
cmp_ok($claims->{exp} - $claims->{nbf}, '<=', 300, '... for five minutes');

# ---- the public keys
my $browser = EdxSSO::Browser->new(base => $httpd->url);
my $answer = $browser->get('/edxsso/jwks.json', as => 'plain');
is($answer->status, 200, 'jwks.json');
like($answer->header('Content-Type'), qr{^application/json}, '... is JSON');
is($answer->header('Cache-Control'), 'public, max-age=300', '... that may be kept');
my $set = $json->decode($answer->body);
is(scalar @{ $set->{keys} }, 1, '... of one key');
is_deeply([sort keys %{ $set->{keys}[0] }], [sort qw(kty n e use alg kid), 'x5t#S256'], '... with its public members');
is($set->{keys}[0]{$_}, $header->{$_}, "... and the $_ of the assertion") for qw(kid alg), 'x5t#S256';
is($browser->post('/edxsso/jwks.json', '', as => 'plain')->status, 405, '... not by POST');

# ---- another certificate than Entra knows
configured('cert', "EdxSSOClientCertificate $other", 'EdxSSOClientAuth private_key_jwt');
(undef, $answer) = sign_in();
is($answer->status, 502, 'a certificate that Entra does not know');
like($httpd->log_text, qr/SSO0401: .*AADSTS700027/, '... and the log says so');

# ---- a token that others renew
my $token = entra(federated => {})->{token};
my $file = write_file('token', "$token\n", 0644);
signs_in('federated', 'federated', "EdxSSOClientAssertion file:$file");
write_file('token', "half a tok", 0644);
(undef, $answer) = sign_in();
is($answer->status, 500, 'a file that is not whole');
like($httpd->log_text, qr/SSO0423: .*\Q$file\E is not a signed JWT/, '... and the log says so');
unlike($httpd->log_text . $answer->body, qr/half a tok|\Q$token\E/, '... without what is in it');
write_file('token', entra(federated => {})->{token}, 0644);
($browser, $answer) = sign_in();
is($browser->get('/edxsso/session', as => 'fetch')->status, 200, 'read anew: signed in without a restart') or diag($httpd->log_text);
unlike($httpd->log_text, qr/\Q$SECRET\E|canary/, 'no secret in the log');
$httpd->stop;
done_testing();
