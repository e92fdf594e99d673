# SPDX-License-Identifier: Apache-2.0
# The OpenID Foundation's relying party tests: basic profile, and what its full plan has beyond it for the
# code flow. A subtest has its module's name; with a word after it, it is a neighbour of ours.
use strict;
use warnings;
use EdxSSO::Browser;
use EdxSSO::OIDF;
use EdxSSO::SignIn;
use EdxSSO::Test;

home(vhost('oidf'), qw(basic post jwt hs256 quiet more single multiple same odd odder weak));
my $sub = '248289761414'; # jane's
my $number = 248289761414;
sub fault { my @fault = @_; return sub { oidc(fault => {@fault}) } }
sub setting { my @setting = @_; return sub { oidc(config => {@setting}) } }

passes('oidcc-client-test', at => 'basic', seen => { REMOTE_USER => "$sub\@127.0.0.1",
    EDXSSO_EMAIL => 'jane@example.com', EDXSSO_NAME => 'Jane Doe', EDXSSO_USER_ID => $sub, AUTH_TYPE => 'edxsso' },
    after => sub {
        my ($browser) = @_;
        my $query = last_call('authorize')->{query};
        is($query->{response_type}[0], 'code', 'response_type');
        is($query->{scope}[0], 'openid profile email', 'scope');
        ok(length $query->{state}[0] > 20 && length $query->{nonce}[0] >= 22, 'state and nonce');
        is($browser->get('/edxsso/session', as => 'fetch')->status, 200, 'a session');
    });
{
    my %nonces;
    passes("oidcc-client-test-nonce: of sign-in $_", at => 'quiet', calls => { token => 1 },
        after => sub { $nonces{ last_call('authorize')->{query}{nonce}[0] }++ }) for 1, 2;
    is(scalar keys %nonces, 2, 'each has a nonce of its own');
}

# ---- the client proves who it is
for my $case ([basic => 'basic', 'client_secret_basic'], [post => 'post', 'client_secret_post'],
    [jwt => 'jwt', 'client_secret_jwt']) {
    my ($word, $at, $method) = @$case;
    passes("oidcc-client-test-client-secret-$word", at => $at, after => sub {
        my $call = last_call('token');
        is($call->{client_auth}, $method, 'and the provider saw it so');
        is($call->{raw_query}, '', 'with nothing in the URL');
        ok(!$call->{form}{client_secret}, 'and no secret in the body') if $method ne 'client_secret_post';
    });
}

# ---- claims of the id_token
refuses('oidcc-client-test-nonce-invalid', at => 'basic', before => fault(name => 'nonce-wrong'),
    status => 400, log => 'SSO0475', says => qr/callback: basic: id_token: its nonce is not the one of this sign-in/);
for my $case (
    ['nonce-invalid: missing', 'nonce-missing', 'SSO0475', qr/its nonce is missing/],
    ['nonce-invalid: a number', 'nonce-number', 'SSO0475'],
    ['invalid-iss', 'iss-wrong', 'SSO0467', qr{issuer 'https://evil\.test/' is not}],
    ['invalid-iss: missing', 'iss-missing', 'SSO0466'], ['invalid-iss: a list', 'iss-list', 'SSO0466'],
    ['invalid-iss: a slash more', 'iss-slash', 'SSO0467'],
    ['missing-sub', 'sub-missing', 'SSO0477'], ['missing-sub: empty', 'sub-empty', 'SSO0477'],
    ['missing-sub: a number', 'sub-number', 'SSO0477'], ['missing-sub: 300 characters', 'sub-long', 'SSO0477'],
    ['invalid-aud', 'aud-wrong', 'SSO0472'], ['missing-aud', 'aud-missing', 'SSO0472'],
    ['invalid-aud: a number', 'aud-number', 'SSO0472'], ['invalid-aud: nobody', 'aud-list-empty', 'SSO0472'],
    ['invalid-aud: others beside, no azp', 'aud-list-more', 'SSO0474'],
    ['invalid-azp', 'azp-wrong', 'SSO0473'], ['invalid-azp: in a list', 'aud-list-azp-wrong', 'SSO0473'],
    ['missing-iat', 'iat-missing', 'SSO0462'], ['missing-iat: a word', 'iat-string', 'SSO0462'],
    ['invalid-iat: of the future', 'iat-future', 'SSO0463'],
    ['missing-exp', 'exp-missing', 'SSO0460'], ['invalid-exp', 'exp-past', 'SSO0461'],
    ['invalid-exp: just now', 'exp-just-past', 'SSO0461'], ['invalid-exp: null', 'exp-null', 'SSO0460'],
    ['invalid-exp: negative', 'exp-negative', 'SSO0461'], ['invalid-exp: 1e400', 'exp-1e400', 'SSO0\d{3}'],
    ['invalid-nbf', 'nbf-future', 'SSO0465'],
    ['invalid-athash', 'at-hash-wrong', 'SSO0476', qr/its at_hash does not fit/],
    ['invalid-chash', 'c-hash-wrong', 'SSO0476', qr/its c_hash does not fit/],
    ['duplicate claims', 'claims-duplicate', 'SSO0\d{3}'], ['depth 33', 'deep-33', 'SSO0\d{3}'],
    ['depth 5000', 'deep-5000', 'SSO0\d{3}'], ['claims that are a list', 'payload-array', 'SSO0\d{3}'],
    ['no claims', 'payload-empty', 'SSO0\d{3}'], ['claims and more', 'payload-trailing', 'SSO0\d{3}'],
) {
    my ($word, $fault, $number, $says) = @$case;
    refuses("oidcc-client-test-$word", at => 'basic', before => fault(name => $fault), status => 400, log => $number,
        $says ? (says => $says) : ());
}
passes('oidcc-client-test-missing-athash', at => 'basic', before => fault(remove => ['at_hash']));
passes('oidcc-client-test-invalid-aud: a list of us alone', at => 'basic', before => fault(name => 'aud-list'));
passes('oidcc-client-test-invalid-azp: others beside, and azp is us', at => 'basic', before => fault(name => 'aud-list-azp'));
passes('oidcc-client-test-invalid-exp: within the clock skew', at => 'basic', before => fault(name => 'exp-in-skew'));

# ---- its signature
passes('oidcc-client-test-idtoken-sig-rs256', at => 'basic');
passes("oidcc-client-test-idtoken-sig-$_", at => 'basic', before => setting(alg => uc $_)) for qw(es256 ps256);
passes('oidcc-client-test-idtoken-sig-hs256', at => 'hs256', before => setting(alg => 'HS256'));
for my $alg (qw(rs256 es256 ps256)) {
    refuses("oidcc-client-test-invalid-sig-$alg", at => 'basic', status => 400, log => 'SSO0161',
        before => sub { oidc(config => { alg => uc $alg }); oidc(fault => { name => 'signature-flipped' }) });
}
refuses('oidcc-client-test-invalid-sig-hs256', at => 'hs256', status => 400, log => 'SSO0161',
    before => sub { oidc(config => { alg => 'HS256' }); oidc(fault => { name => 'signature-flipped' }) });
for my $case (
    ['idtoken-sig-none', 'alg-none'], ['idtoken-sig-none: None', 'alg-None'], ['idtoken-sig-none: NONE', 'alg-NONE'],
    ['idtoken-sig-none: signed', 'alg-none-signed'], ['no alg', 'alg-missing'], ['an empty alg', 'alg-empty'],
    ['alg is a number', 'alg-number'], ['rs256 in small letters', 'alg-lower'], ['another alg than signed', 'alg-mismatch'],
    ['invalid-sig-hs256: by the client secret, where that is no key', 'hs256-secret'],
    ['invalid-sig-hs256: by the public key', 'hs256-public-pem'],
    ['invalid-sig-hs256: by the public key, stripped', 'hs256-public-pem-stripped'],
    ['invalid-sig-hs256: by the public key, PKCS 1', 'hs256-public-pkcs1'],
    ['invalid-sig-hs256: by the public key, DER', 'hs256-public-der'],
    ['invalid-sig-hs256: by the public key as JWK', 'hs256-public-jwk'],
    ['invalid-sig-hs256: by nothing', 'hs256-empty-key'],
    ['idtoken-sig-none: NONE, signed', { alg => 'NONE', sign_alg => 'RS256' }],
    ['idtoken-sig-none: nOnE, signed', { alg => 'nOnE', sign_alg => 'RS256' }],
    ['idtoken-sig-none: nOnE', { alg => 'nOnE' }], ['idtoken-sig-none: with a space', { alg => 'none ', sign_alg => 'RS256' }],
    ['idtoken-sig-none: a signature that is none', { alg => 'none', suffix => 'AAAA' }],
    ['invalid-sig-es256: by a P-384 key', { alg => 'ES256', key => 'ec384', header => { kid => 'es' } }],
    ['invalid-sig-es256: by a P-521 key', { alg => 'ES256', key => 'ec512', header => { kid => 'es' } }],
    ['invalid-sig-es256: by the RSA key', { alg => 'ES256', sign_alg => 'RS256', key => 'own', header => { kid => 'rs' } }],
    ['invalid-sig-es384: by the P-256 key', { alg => 'ES384', sign_alg => 'ES256', header => { kid => 'es' } }],
    ['jku that would answer', { key => 'foreign', header => { jku => "$ENV{OIDC_ROOT}/nothing" } }],
    ['x5u that would answer', { key => 'foreign', header => { x5u => "$ENV{OIDC_ROOT}/nothing" } }],
    ['a foreign key', 'foreign-key'], ['a key in the header', 'embedded-jwk'], ['jku', 'jku'], ['x5u', 'x5u'],
    ['x5c', 'x5c'], ['crit', 'crit'], ['b64', 'b64'], ['zip', 'zip'], ['no signature', 'signature-empty'],
    ['a signature cut short', 'signature-short'], ['a signature with a byte more', 'signature-long'],
    ['a signature padded', 'signature-padded'], ['a part more', 'trailing-junk'], ['a line end more', 'trailing-newline'],
    ['two parts', 'two-segments'], ['no JWT at all', 'not-a-jwt'], ['kid twice', 'kid-duplicate'],
    ['kid is a number', 'kid-number'], ['kid is a path', 'kid-path'], ['an unknown kid', 'kid-wrong'],
    ['alg twice', 'header-duplicate'], ['a header that is a list', 'header-array'], ['a header that is no JSON', 'header-not-json'],
    ['an access token in its place', 'typ-at'], ['a logout token in its place', 'typ-logout'],
) {
    my ($word, $fault) = @$case;
    refuses("oidcc-client-test-$word", at => 'basic', before => fault(ref $fault ? %$fault : (name => $fault)), status => 400,
        log => 'SSO0[14]\d\d');
}

# ---- keys
passes('oidcc-client-test-kid-absent-single-jwks', at => 'single', before => setting(sign_kid => \0));
passes('oidcc-client-test-kid-absent-multiple-jwks', at => 'multiple', before => setting(sign_kid => \0));
passes('oidcc-client-test-kid-absent-multiple-jwks: kid in the token alone', at => 'multiple');
passes('oidcc-client-test-kid-absent-multiple-jwks: kid in the keys alone', at => 'odd', before => setting(sign_kid => \0));
passes('oidcc-client-test-kid-absent-multiple-jwks: all keys of one kid', at => 'same',
    before => fault(header => { kid => 'same' }));
refuses('oidcc-client-test-kid-absent-multiple-jwks: wrong signature', at => 'multiple', status => 400, log => 'SSO0161',
    before => sub { oidc(config => { sign_kid => \0 }); oidc(fault => { name => 'foreign-key', kid => 'none', key => 'rsa1024' }) });
passes('oidcc-client-test-ignores-unparseable-key-in-jwks', at => 'odd');
passes('oidcc-client-test-ignores-unparseable-key-in-jwks: ES256 beside them', at => 'odd', before => setting(alg => 'ES256'));
passes('oidcc-client-test-ignores-unparseable-key-in-jwks: something that is no object', at => 'odder');

refuses('a key of 1024 bits', at => 'weak', status => 400, log => 'SSO0160', before => fault(key => 'rsa1024', header => { kid => 'weak' }));
refuses('a key with e = 1', at => 'weak', status => 400, log => 'SSO0160', before => fault(header => { kid => 'one' }));
passes('weak keys beside the right one', at => 'weak');

# ---- the answer of the authorization endpoint
refuses('another issuer (RFC 9207)', at => 'basic', before => setting(iss_parameter => 'wrong'), status => 400, log => 'SSO0562', calls => {});
refuses('no issuer, although promised (RFC 9207)', at => 'basic', before => sub { oidc(config => { iss_parameter => \0 }) }, status => 400,
    log => 'SSO0566', calls => {});
oidc_reset('basic');
{
    my ($one, $two) = map { my $browser = browser('oidf'); oidc(user => { default => 'jane' });
        [$browser, $browser->get($browser->get("/edxsso/login?provider=basic&next=/app")->location)->location] } 1, 2;
    for my $twice (qw(code state iss id_token access_token token_type expires_in scope session_state error error_uri error_description)) {
        oidc(forget => {});
        subtest("$twice twice" => sub {
            refusal($one->[0]->get("$one->[1]&$twice=x" . ($one->[1] =~ /[?&]$twice=/ ? '' : "&$twice=y")), status => 400, log => 'SSO0558');
            is_deeply(asked_for(), {}, 'nothing was asked of the provider');
        });
    }
    refusal($one->[0]->get($two->[1]), status => 400, log => 'SSO0555');
    (my $foreign = $one->[1]) =~ s{/callback/basic}{/callback/quiet};
    refusal($one->[0]->get($foreign), status => 400, log => 'SSO0553');
    is($one->[0]->get("$one->[1]&id_token=x&access_token=y")->status, 302, 'what was not asked for is not read');
    is_deeply([sort keys %{ asked_for() }], ['/token', '/userinfo'], 'and the first sign-in ends well after all that');
}
{
    my $begin = sub {
        my ($extra) = @_;
        oidc(user => { default => 'jane' });
        my $browser = browser('oidf');
        my $back = $browser->get($browser->get("/edxsso/login?provider=basic&next=/app")->location)->location;
        $back =~ s/code=[^&]*/error=interaction_required$extra/;
        return ($browser, $browser->get($back));
    };
    my $wanted = '&claims=%7B%22id_token%22%3A%7B%22acr%22%3Anull%7D%7D';
    my ($browser, $answer) = $begin->($wanted);
    my %asked = EdxSSO::Browser::query($answer->location // '');
    is($asked{claims}, '{"id_token":{"acr":null}}', 'an error that says what is wanted: asked for with that');
    (my $again = $browser->get($answer->location)->location) =~ s/code=[^&]*/error=interaction_required$wanted/;
    refusal($browser->get($again), status => 403, log => 'SSO0560');
    (undef, $answer) = $begin->('&claims=' . 'x' x 4097);
    refusal($answer, status => 403, log => 'SSO0560');
    (undef, $answer) = $begin->('');
    refusal($answer, status => 403, log => 'SSO0560');
    refuses('the token endpoint says that it is the user\'s turn', at => 'basic', status => 403, log => 'SSO0881', not => [qr/canary|consent_required/],
        before => sub { oidc(answer => { endpoint => '/token', status => 400, headers => { 'Content-Type' => 'application/json' },
            body => '{"error":"consent_required","error_description":"canary"}' }) });
}
{
    my %challenges = map { my %asked = EdxSSO::Browser::query(browser('oidf')->get('/edxsso/login?provider=basic')->location);
        ("$asked{code_challenge_method} $asked{code_challenge}" => 1) } 1 .. 50;
    is(scalar keys %challenges, 50, 'fifty sign-ins, fifty challenges');
    is(scalar(grep { /^S256 [\w-]{43}$/ } keys %challenges), 50, 'each a digest');
}

# ---- userinfo
passes('oidcc-client-test-userinfo-bearer-header', at => 'basic', after => sub {
    my $call = last_call('userinfo');
    is($call->{method}, 'GET', 'asked by GET');
    ok((grep { $_->[0] eq 'Authorization' && $_->[1] =~ /^Bearer \S+$/ } @{ $call->{headers} }), 'the token is in the header');
    is($call->{raw_query} . $call->{body}, '', 'and nowhere else');
});
refuses('oidcc-client-test-userinfo-invalid-sub', at => 'basic', before => setting(userinfo_add => { sub => 'somebody-else' }),
    status => 400, log => 'SSO0481', calls => { token => 1, userinfo => 1 });
refuses("oidcc-client-test-userinfo-invalid-sub: $_->[0]", at => 'basic', before => setting(userinfo_add => { sub => $_->[1] }),
    status => 400, log => 'SSO0481', calls => { token => 1, userinfo => 1 })
    for ['missing', undef], ['a number', $number], ['a list', [$sub]], ['with a space', "$sub "];
passes('oidcc-client-test-scope-userinfo-claims', at => 'more', before => setting(userinfo_add => {
    phone_number => '+1 202 555 0101', address => { country => 'NO', locality => 'Oslo' }, email => 'other@example.com' }),
    seen => { EDXSSO_CLAIM_phone_number => '+1 202 555 0101', EDXSSO_CLAIM_address => qr/"country":"NO"/,
        EDXSSO_CLAIM_given_name => 'Jane', EDXSSO_EMAIL => 'jane@example.com' },
    after => sub { is(last_call('authorize')->{query}{scope}[0], 'openid profile email address phone', 'the scopes asked for') });
passes('oidcc-client-test-userinfo-signed', at => 'basic', before => setting(userinfo_jwt => \1, userinfo_add => { zoneinfo => 'Europe/Oslo' }),
    seen => { EDXSSO_CLAIM_zoneinfo => 'Europe/Oslo' });
refuses("oidcc-client-test-userinfo-signed: $_->[0]", at => 'basic', status => 400, log => $_->[2], calls => { token => 1, userinfo => 1 },
    before => do { my $name = $_->[1]; sub { oidc(config => { userinfo_jwt => \1 }); oidc(fault => { name => $name, for => 'userinfo' }) } })
    for ['a wrong signature', 'signature-flipped', 'SSO0161'], ['not signed', 'alg-none', 'SSO015[16]'],
        ['of another issuer', 'iss-wrong', 'SSO0479'], ['for another client', 'aud-wrong', 'SSO0480'],
        ['about another user', 'sub-other', 'SSO0481'];

# ---- what the token endpoint says
passes("oidcc-client-test: token_type $_", at => 'basic', before => fault(answer => { token_type => $_ })) for qw(bearer BEARER);
passes('oidcc-client-test: token_type missing', at => 'basic', before => fault(name => 'token-type-missing'));
refuses('oidcc-client-test: token_type mac', at => 'basic', before => fault(name => 'token-type-wrong'), status => 502, log => 'SSO0871');
passes('oidcc-client-test: expires_in as text', at => 'basic', before => fault(name => 'expires-string'));
passes('oidcc-client-test: expires_in missing', at => 'basic', before => fault(name => 'expires-missing'));
refuses("oidcc-client-test: $_->[0]", at => 'basic', before => fault(name => $_->[1]), status => 502, log => $_->[2])
    for ['no id_token', 'no-id-token', 'SSO0405'], ['an id_token that is a number', 'id-token-number', 'SSO0405'],
        ['id_token twice', 'answer-duplicate', 'SSO0403'], ['an error with status 200', 'error-200', 'SSO0401'];

# ---- claims of others (OpenID Connect Core 5.6.2)
{
    my %phone = (phone_number => '+47 22 22 22 22', email => 'evil@example.com', sub => $sub, iss => $ENV{OIDC_ROOT}, aud => 'rp');
    my $aggregated = sub {
        my ($where, $names, @sources) = @_;
        my %sources = map { ("s$_" => ref $sources[$_] ? $sources[$_] : { JWT => $sources[$_] }) } 0 .. $#sources;
        return sub { oidc(config => { $where => { _claim_names => $names, _claim_sources => \%sources } }) };
    };
    my %names = (phone_number => 's0', email => 's0', sub => 's0', nickname => 's1');
    my %without = (EDXSSO_CLAIM__claim_sources => undef, EDXSSO_CLAIM__claim_names => undef, EDXSSO_EMAIL => 'jane@example.com');
    for my $where (qw(claims_add userinfo_add)) {
        passes("oidcc-client-test-aggregated-claims: $where", at => 'basic',
            before => sub { $aggregated->($where, \%names, mint(claims => { %phone, unnamed => 1 }))->() },
            seen => { %without, EDXSSO_CLAIM_phone_number => $phone{phone_number}, EDXSSO_CLAIM_unnamed => undef });
    }
    my $old = time - 7200;
    for my $case (
        ['a wrong signature', 'SSO0161', sub { mint(claims => \%phone, fault => { name => 'signature-flipped' }) }],
        ['not signed', 'SSO0151', sub { mint(claims => \%phone, fault => { name => 'alg-none' }) }],
        ['a foreign key', 'SSO0161', sub { mint(claims => \%phone, fault => { name => 'foreign-key' }) }],
        ['of another issuer', 'SSO0872', sub { mint(claims => { %phone, iss => 'https://claims.test' }) }],
        ['without issuer', 'SSO0872', sub { mint(claims => { %phone, iss => undef }) }],
        ['about another user', 'SSO0879', sub { mint(claims => { %phone, sub => 'somebody-else' }) }],
        ['for another client', 'SSO0880', sub { mint(claims => { %phone, aud => 'other' }) }],
        ['expired', 'SSO0877', sub { mint(claims => { %phone, exp => $old }) }],
        ['not valid yet', 'SSO0878', sub { mint(claims => { %phone, nbf => time + 7200 }) }],
        ['an access token', 'SSO0470', sub { mint(claims => \%phone, typ => 'at+jwt') }],
        ['a logout token', 'SSO0471', sub { mint(claims => { %phone, events => {} }) }],
        ['no JWT', 'SSO0151', sub { 'x' }],
    ) {
        my ($word, $number, $token) = @$case;
        passes("oidcc-client-test-aggregated-claims: $word", at => 'quiet', calls => { token => 1 },
            before => sub { $aggregated->(claims_add => \%names, $token->())->() },
            seen => { %without, EDXSSO_CLAIM_phone_number => undef }, after => sub { expect_log($number) });
    }
    passes('oidcc-client-test-aggregated-claims: one right, one wrong', at => 'quiet', calls => { token => 1 },
        before => sub { $aggregated->(claims_add => \%names, mint(claims => \%phone, fault => { name => 'alg-none' }),
            mint(claims => { %phone, nickname => 'J' }))->() },
        seen => { %without, EDXSSO_CLAIM_phone_number => undef, EDXSSO_CLAIM_nickname => 'J' }, after => sub { expect_log('SSO0151') });
    passes('oidcc-client-test-aggregated-claims: names and sources that are none', at => 'quiet', calls => { token => 1 },
        before => setting(claims_add => { _claim_names => [1], _claim_sources => 'x' }), seen => \%without);
    passes('oidcc-client-test-aggregated-claims: more sources than are looked at', at => 'quiet', calls => { token => 1 },
        before => sub { $aggregated->(claims_add => {}, map { mint(claims => \%phone) } 1 .. 9)->() },
        seen => \%without, after => sub { expect_log('SSO0874') });
    passes('oidcc-client-test-distributed-claims', at => 'basic', before => $aggregated->(userinfo_add => \%names,
        { endpoint => "$ENV{OIDC_ROOT}/par", access_token => 'canary-of-distributed-claims' }),
        seen => { %without, EDXSSO_CLAIM_phone_number => undef }, after => sub {
            my ($browser) = @_;
            expect_log('SSO0873');
            unlike($browser->get('/edxsso/session', as => 'fetch')->body, qr/canary|_claim/, 'its token is nowhere');
            unlike(join('', log_lines()), qr/canary-of-distributed/, 'nor in the log');
        });
}
done_testing();
