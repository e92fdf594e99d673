# SPDX-License-Identifier: Apache-2.0
# The JWT by which this site vouches for a user: what it says, that its signature is right by somebody else's code,
# that nobody can bring one along, and that it is not signed for each request.
use strict;
use warnings;
use EdxSSO::Httpd;
use EdxSSO::Test;
use EdxSSO::Visitor;
use JSON::PP ();
use MIME::Base64 ();

allow_log(qw(SSO0145 SSO0353 SSO0354), 'SSO0564', 'SSO0680');
lms_reset();

my $VERIFY = <<'EOT';
import base64, json, sys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
def decode(text): return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
keys, token = json.loads(sys.argv[1])["keys"], sys.argv[2]
signed, _, signature = token.rpartition(".")
header = json.loads(decode(token.split(".")[0]))
jwk, = [key for key in keys if key["kid"] == header["kid"]]
assert (jwk["kty"], jwk["crv"], jwk["use"], jwk["alg"]) == ("EC", "P-256", "sig", "ES256") and "d" not in jwk
key = ec.EllipticCurvePublicNumbers(*(int.from_bytes(decode(jwk[n]), "big") for n in "xy"), ec.SECP256R1()).public_key()
raw = decode(signature)
assert len(raw) == 64 and header["alg"] == "ES256" and header["typ"] == "JWT"
key.verify(utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
           signed.encode(), ec.ECDSA(hashes.SHA256()))
print("right")
EOT

sub verified {
    my ($keys, $token) = @_;
    open my $python, '-|', 'sh', '-c', 'exec "$@" 2>/dev/null', 'sh', '/usr/bin/python3', '-c', $VERIFY, $keys, $token
        or die "python3: $!\n";
    my $said = join '', <$python>;
    close $python;
    return $said eq "right\n";
}
sub token_of { my ($token) = $_[0]->body =~ /^(?:HTTP_X_EDXSSO_TOKEN=|X-Edxsso-Token: )(.*)$/m; return $token }
sub claims_of {
    my (undef, $payload) = split /\./, $_[0];
    $payload =~ tr{-_}{+/};
    return JSON::PP->new->utf8->decode(MIME::Base64::decode_base64($payload));
}
sub keys_of { return browser($_[0])->get('/edxsso/jwks.json')->body }

my $browser = visitor('jwt', '/cgi', user => 'bob', claims => { name => "B\"\\\x{1}\x{fc}", mixed => [1, { a => undef }],
    edxsso_provider => 'evil', jti => 'evil', exp2 => 7 });
my $answer = $browser->get('/cgi');
my $token = token_of($answer);
ok($token, 'the app gets a token') or diag($answer->body);
ok(verified(keys_of('jwt'), $token), 'its signature is right, by jwks.json');
ok(!verified(keys_of('jwt'), substr($token, 0, -8) . 'AAAAAAAA'), 'and another one is not');

# ---- what it says
my $claims = claims_of($token);
my ($text) = $answer->body =~ /^EDXSSO_CLAIMS=(.*)$/m;
my $exported = JSON::PP->new->decode($text);
my $root = vhost('jwt');
is_deeply([@$claims{qw(iss aud sub edxsso_provider edxsso_username edxsso_user_id edxsso_sub)}],
    ["$root/edxsso", $root, 'bob', 'lms', 'bob', '11', $exported->{sub}], 'whose it is, for whom, about whom');
is($claims->{edxsso_iss}, $exported->{iss}, 'the issuer at the provider');
delete @$exported{qw(iss sub edxsso_provider)};
utf8::decode($exported->{name}) if exists $exported->{name};
is_deeply([map { $claims->{$_} } sort grep { $_ ne 'name' } keys %$exported],
    [map { $exported->{$_} } sort grep { $_ ne 'name' } keys %$exported], 'all exported claims, as they are');
is($claims->{name}, "B\"\\\x{1}\x{fc}", 'whatever characters they have');
is($claims->{exp} - $claims->{iat}, 300, 'five minutes');
cmp_ok(abs($claims->{iat} - time), '<', 60, 'from now');
like($claims->{jti}, qr/^[\w-]{22}$/, 'an id of its own');
my $few = claims_of(token_of($browser->get('/few')));
is(join(' ', sort grep { !/^edxsso_/ } keys %$few), 'aud email exp iat iss jti sub user_id', 'EdxSSOExportClaims chooses');
is($few->{iss}, "$root/edxsso", 'and not what is this site\'s to say');
is(token_of($browser->get('/off')), undef, 'off');
is(token_of($browser->get('/proxy/x'))  ? 1 : 0, 1, 'by mod_proxy as well');

# ---- not signed for each request; another user's is another one
my %tokens = map { token_of($browser->get('/cgi')) => 1 } 1 .. 30;
cmp_ok(scalar(keys %tokens), '<=', 12, 'the same one again, once a process');
my $other = visitor('jwt', '/cgi', user => 'alice');
is(claims_of(token_of($other->get('/cgi')))->{sub}, 'alice', 'another user');
is(claims_of(token_of($browser->get('/cgi')))->{sub}, 'bob', 'and the first one again');

# ---- headers that it may be
for my $case (['Edxsso-Jwt', 0], ['Edxsso-Claims', 0], ['X-Token', 0], ['Edxsso-Email', 1], ['edxsso-user-id', 1], ['Edxsso-Claim-X', 1], ['Remote-User', 1],
    ['Authorization', 1], ['X-Forwarded-User', 1]) {
    my ($name, $wrong) = @$case;
    my ($exit, $output) = EdxSSO::Httpd->config_test("EdxSSOExportJWT $name\n");
    is($exit ? 1 : 0, $wrong, "EdxSSOExportJWT $name") or diag($output);
}

# ---- nobody brings one along
for my $name ('X-Edxsso-Token', 'x_edxsso_token', 'X.Edxsso.Token', 'X-EDXSSO_Token') {
    for my $path ('/open', '/off', '/cgi') {
        my $body = ($path eq '/open' ? browser('jwt', as => 'plain') : $browser)->get($path, headers => [[$name, $token . 'x']])->body;
        unlike($body, qr/\Q${token}x\E/, "$name to $path");
    }
}
is(token_of($browser->get('/proxy/x', headers => [['Connection', 'close, X-Edxsso-Token']])) ? 1 : 0, 1,
    'and nobody takes it off');
unlike(browser('export')->get('/edxsso/jwks.json')->body, qr/"ES256"/, 'where no place has one, no key is published');

# ---- a retired secret's key is published, too
{
    my $keys = JSON::PP->new->decode(keys_of('jwt_both'))->{keys};
    is(scalar(@$keys), 2, 'a key for each secret');
    isnt($keys->[0]{x}, $keys->[1]{x}, 'two of them');
    my $first = token_of(visitor('jwt_both', '/cgi')->get('/cgi'));
    my ($header) = split /\./, $first;
    is(JSON::PP->new->decode(MIME::Base64::decode_base64($header))->{kid}, $keys->[0]{kid}, 'the newest signs');
}

# ---- too long for a header: left out, with a word in the log
$other = visitor('jwt', '/cgi', claims => { long => 'x' x 7000 });
is(token_of($other->get('/cgi')), undef, 'too long');
ok(log_lines(qr/SSO1253/), 'with a word in the log');
allow_log('SSO1253');
done_testing();
