# SPDX-License-Identifier: Apache-2.0
# Bearer tokens: what is one, what is not, and how each is answered (RFC 6750, RFC 9068, edX's own rules).
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Token;
use EdxSSO::Visitor ();

lms_reset();
allow_log(qw(SSO0564 SSO0680 SSO1131 SSO1123 SSO1132 SSO1135 SSO1136 SSO0353 SSO0354));

sub api { my ($token, %how) = @_; return program('bearer', '/api', token => $token, %how) }
sub taken {
    my ($answer, $name, %want) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($answer->status, 200, "$name: taken") or diag($answer->body);
    my $seen = seen($answer);
    is($seen->{$_}, $want{$_}, "$name: $_") for sort keys %want;
    is(scalar(() = $answer->all('Set-Cookie')), 0, "$name: no cookie");
    return;
}

# ---- one that is refused is worth a line at httpd's own LogLevel; that none came is not
api('a.b.c');
api(undef);
ok(scalar(log_lines(qr/auth_edxsso:warn\].* SSO1131: .*\[error id [\w-]+\]/)), 'a refused token is a warning');
ok(scalar(log_lines(qr/auth_edxsso:info\].* SSO0680: /)), 'no token is none');

# ---- a token that is one, however it comes
my $jwt = lms_token();
for my $case (['Bearer', $jwt], ['JWT', $jwt], ['bearer', $jwt], ['jWT', $jwt], ['Bearer', "  $jwt"], ['BEARER', "$jwt "]) {
    taken(api($case->[1], scheme => $case->[0]), "$case->[0] twice", REMOTE_USER => 'jsmith', AUTH_TYPE => 'edxsso',
        EDXSSO_PROVIDER => 'lms', EDXSSO_USER_ID => 42, EDXSSO_CLAIM_scopes => 'user_id,profile,email') for 1, 2;
}
taken(api(lms_token(user => 'zoe')), 'another user', REMOTE_USER => 'zoe');
is(api($jwt, method => 'HEAD')->status, 200, 'HEAD');
is(api($jwt, method => 'POST', body => 'x=y')->status, 200, 'POST needs no origin: a browser does not send this header by itself');

# ---- without one, or with none that can be read
is_refused(api(undef), 401, 'login_required', 'no token: no error in the challenge');
is_refused(api(undef, headers => [['Authorization', 'Basic dXNlcjpwYXNz']]), 401, 'login_required', 'another scheme');
is_refused(api(undef, headers => [['Authorization', 'Bearerx y']]), 401, 'login_required', 'another scheme that begins alike');
is_refused(api(undef, headers => [['Authorization', $_]]), 400, 'invalid_request', "malformed: '$_'")
    for 'Bearer', 'Bearer ', 'JWT', 'Bearer a b', "Bearer $jwt,$jwt", "Bearer $jwt, JWT $jwt", 'Bearer a,b', 'Bearer "a"',
        "Bearer\t$jwt", "Bearer $jwt;x", 'Bearer =', 'Bearer a=b', "Bearer \xc3\xa9", "Bearer ($jwt)";
is_refused(program('bearer', "/api?access_token=$jwt"), 401, 'login_required', 'not in the query');
is_refused(program('bearer', '/api', method => 'POST', body => "access_token=$jwt",
    headers => [['Content-Type', 'application/x-www-form-urlencoded']]), 401, 'login_required', 'not in the body');
is_refused(api(undef, headers => [['Accept', 'text/html'], ['Authorization', 'Bearer a b']]), 400, 'invalid_request',
    'JSON for who likes HTML, too');
for my $method (qw(OPTIONS PUT DELETE FOO)) {
    is_refused(api(undef, method => $method), 401, 'login_required', "$method without a token");
}
is(api(undef, method => 'HEAD')->body, '', 'HEAD without a token: no body');
is(join('|', map { s/".*//r } api(undef)->all('WWW-Authenticate')), 'Bearer realm=|JWT realm=', 'both schemes are offered');
is(join('|', map { s/".*//r } program('bearer', '/entra')->all('WWW-Authenticate')), 'Bearer realm=', 'JWT only where an LMS is accepted');

# a page is not sent to sign in where no session counts
is(browser('bearer')->get('/api')->status, 401, 'a page of a place for programs: 401, no redirect');
is(browser('bearer')->get('/both')->status, 302, 'a page of a place that takes sessions, too: to sign in');
is(browser('bearer')->get('/login')->status, 302, 'EdxSSOUnauthenticated login');

# ---- tokens that are none: fault of the token, why
my $wrong = sub { my ($fault, $path) = @_;
    return program('bearer', $path // '/api', token => lms_token(fault => ref $fault ? $fault : { name => $fault })) };
for my $fault (qw(exp-past exp-missing iss-wrong iss-missing aud-wrong aud-missing iat-missing iat-future nbf-future sub-missing
        foreign-key alg-none-signed alg-mismatch hs256 hs256-public-pem hs256-public-jwk hs256-empty-key crit b64 zip embedded-jwk
        jku x5u header-duplicate claims-duplicate signature-flipped signature-short signature-long payload-array deep-33
        typ-logout version-2 username-missing username-control)) {
    my ($token) = eval { lms_token(fault => { name => $fault }) };
    if (!$token) { note("the stand-in has no fault $fault"); next }
    is_refused(api($token), 401, 'invalid_token', $fault) for 1, 2;
}
my @claims = (
    ['of a later major version', { version => '2.0.0' }], ['version that is none', { version => 'x' }],
    ['nonce: an id_token', { nonce => 'n' }], ['at_hash: an id_token', { at_hash => 'x' }], ['c_hash: an id_token', { c_hash => 'x' }],
    ['events: a logout token', { events => {} }], ['cnf: bound by mTLS', { cnf => { 'x5t#S256' => 'x' } }],
    ['cnf: bound by DPoP', { cnf => { jkt => 'x' } }], ['the client id as audience', { aud => 'studio-sso' }],
    ['the client id and a stranger', { aud => ['studio-sso', 'x'] }], ['an empty audience', { aud => [] }],
    ['an audience that is a number', { aud => 7 }], ['a refresh token', { typ => 'Refresh' }], ['an id_token by typ', { typ => 'ID' }],
    ['an id_token by token_use', { token_use => 'id' }], ['an issuer with a slash', { iss => lms('state')->{issuer} . '/' }],
);
is_refused($wrong->({ claims => $_->[1] }), 401, 'invalid_token', $_->[0]) for @claims;
my @types = (
    ['id_token by typ', 'id+jwt'], ['logout token', 'logout+jwt'], ['security event', 'secevent+jwt'], ['proof of possession', 'dpop+jwt'],
    ['introspection answer', 'token-introspection+jwt'], ['nothing known', 'x'], ['number-like', '7'],
);
is_refused($wrong->({ header => { typ => $_->[1] } }), 401, 'invalid_token', "typ $_->[1]: $_->[0]") for @types;
taken($wrong->({ header_remove => ['typ'] }), 'no typ, and an audience that is not the client id', REMOTE_USER => 'jsmith');
taken($wrong->({ claims => { aud => ['x', 'openedx'] } }), 'one audience of several', REMOTE_USER => 'jsmith');
taken($wrong->({ remove => [qw(version is_restricted filters)] }), 'edX: version, is_restricted, filters may be missing', REMOTE_USER => 'jsmith');
taken($wrong->({ name => 'kid-wrong' }), "edX: a kid only orders the keys", REMOTE_USER => 'jsmith');
taken($wrong->({ name => 'rs256' }), 'edX: RS256', REMOTE_USER => 'jsmith');
taken($wrong->({ claims => { username => 'old' }, remove => ['preferred_username'] }), 'edX: username, as it was once', REMOTE_USER => 'old');
taken($wrong->({ name => 'hs256' }, '/hmac'), 'HS256 where its key is configured', REMOTE_USER => 'jsmith');

# RFC 9068: who says at+jwt has to be one
my %full = (client_id => 'x', jti => 'j');
taken($wrong->({ header => { typ => 'at+jwt' }, claims => \%full }), 'at+jwt', REMOTE_USER => 'jsmith');
taken($wrong->({ header => { typ => 'application/AT+JWT' }, claims => \%full }), 'its long name, in any case', REMOTE_USER => 'jsmith');
for my $lacks (qw(sub client_id jti iss exp iat aud)) {
    my %some = %full;
    delete $some{$lacks};
    is_refused($wrong->({ header => { typ => 'at+jwt' }, claims => \%some, remove => [$lacks] }), 401, 'invalid_token', "at+jwt without $lacks");
}
is_refused($wrong->({ header => { typ => 'at+jwt' }, claims => { %full, cnf => { jkt => 'x' } } }), 401, 'invalid_token', 'at+jwt with cnf');
is_refused(program('bearer', '/api', token => 'a.b.c'), 401, 'invalid_token', 'three parts of nothing');
is_refused(program('bearer', '/api', token => 'opaque', scheme => 'JWT'), 401, 'invalid_token', 'JWT with what is none');

# restricted applications
my $restricted = lms_token(client => 'restricted-app', scopes => ['email']);
is_refused(api($restricted), 403, 'insufficient_scope', 'a restricted application') for 1, 2;
is_refused($wrong->({ claims => { is_restricted => 'true' } }), 403, 'insufficient_scope', 'and one that says so as a text');
is(program('bearer', '/restricted', token => $restricted)->status, 200, 'EdxSSORestricted allow');

# scope
is_refused(program('bearer', '/refused', token => $jwt), 403, 'insufficient_scope', 'a scope that is missing', scope => 'grades:read certificates:read');
is(program('bearer', '/refused', token => lms_token(scopes => [qw(grades:read email certificates:read)]))->status, 200, 'the scope is there');

ok(scalar(log_lines(qr/ SSO1131: bearer token refused: lms: .*expired/)), 'the log says which provider it would be one of, and what is wrong');
ok(scalar(log_lines(qr/ SSO1123: bearer token: lms: .*EdxSSORestricted/)), 'also of a restricted one');

# ---- policies do not leak into each other
is_refused(program('bearer', '/other', token => $jwt), 401, 'invalid_token', 'remembered at one place, refused at another: the audience');
is_refused(program('bearer2', '/api', token => $jwt), 401, 'invalid_token', 'and in another virtual host');
taken(api($jwt), 'and goes on to be good where it is', REMOTE_USER => 'jsmith');
is_refused(program('bearer', '/entra', token => $jwt), 401, 'invalid_token', "another provider's");

# ---- a bad token is final; a session is not looked for
{
    my $browser = EdxSSO::Visitor::visitor('bearer', '/both');
    my $with = sub { $browser->get($_[0], as => 'plain', headers => [['Authorization', "Bearer $_[1]"]]) };
    my $zoe = lms_token(user => 'zoe');
    is(seen($with->('/both', $zoe))->{REMOTE_USER}, 'jsmith', 'session bearer: the session comes first');
    is(seen($with->('/both', 'a.b.c'))->{REMOTE_USER}, 'jsmith', '... and a token is not looked at');
    is(seen($with->('/first', $zoe))->{REMOTE_USER}, 'zoe', 'bearer session: the token comes first');
    is($with->('/first', 'a.b.c')->status, 401, '... and a bad one is final');
    is($with->('/first', 'a b')->status, 400, '... a malformed one, too');
    is(seen($browser->get('/first'))->{REMOTE_USER}, 'jsmith', '... without one the session counts');
    is($with->('/api', 'a.b.c')->status, 401, 'where no session counts it is none');
    is($browser->get('/api')->status, 401, '... also alone');
}
is(program('bearer', '/pass', token => 'a.b.c')->status, 401, 'pass: a bad token is final there, too');
is(seen(program('bearer', '/pass'))->{REMOTE_USER}, undef, 'pass: without one nobody');
is(seen(program('bearer', '/pass', token => $jwt))->{REMOTE_USER}, 'jsmith', 'pass: with one that user');

# ---- Entra
{
    my $api = 'api://studio';
    my $tid = '634aea33-7309-5fb7-9392-e7e153923083';
    my %v2 = (ver => '2.0', iss => "$ENV{ENTRA_ROOT}/$tid/v2.0", aud => $api);
    my $mint = sub { my (%more) = @_; return entra(mint => { app => 'single', resource => $api, scopes => ["$api/read"], %more })->{access_token} };
    taken(program('bearer', '/entra', token => $mint->(fault => { for => 'access', claims => \%v2 })), 'a token for our API',
        EDXSSO_PROVIDER => 'entra', EDXSSO_TENANT => $tid, EDXSSO_CLAIM_scp => 'read');
    taken(program('bearer', '/entra', token => $mint->(fault => { for => 'access', claims => { %v2, roles => ['Task.Run'], idtyp => 'app' }, remove => [qw(scp name upn)] })),
        "an application's own token", EDXSSO_CLAIM_roles => 'Task.Run', EDXSSO_TENANT => $tid);
    my $refused = sub { my ($why, $fault, %more) = @_;
        is_refused(program('bearer', delete $more{at} // '/entra', token => $mint->(%more, fault => { for => 'access', %$fault })), 401, 'invalid_token', "Entra: $why") };
    $refused->('another audience', { claims => { %v2, aud => 'api://other' } });
    $refused->('the client id as audience', { claims => { %v2, aud => 'fa295920-228f-5d6b-82fd-aebf62c79b77' } });
    $refused->('another tenant', { claims => { %v2, iss => $v2{iss} =~ s/$tid/d0a41c57-9f79-5049-9875-0f3790ab49af/r } }, user => 'eve');
    $refused->("another tenant's word for this one", { claims => \%v2 }, user => 'eve');
    $refused->('no tenant', { claims => \%v2, remove => ['tid'] });
    $refused->('cnf', { claims => { %v2, cnf => { xms_ksl => 'sw' } } });
    is_refused(program('bearer', '/entra', token => entra(mint => { app => 'single' })->{id_token}), 401, 'invalid_token', 'Entra: an id_token');
    is_refused(program('bearer', '/entra', token => entra(mint => { app => 'single' })->{access_token}), 401, 'invalid_token', "Entra: Graph's token");
    $refused->('a guest', { claims => { %v2, acct => 1 } }, at => '/guests');
}

done_testing();
