# SPDX-License-Identifier: Apache-2.0
# Protected resource metadata (RFC 9728), CORS preflights, and what scripts get.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Token;

lms_reset();
allow_log(qw(SSO0680 SSO1131 SSO1135 SSO1141 SSO1142 SSO0353 SSO0354));
my $WELL_KNOWN = '/.well-known/oauth-protected-resource';
my $root = vhost('bearer');
my $jwt = lms_token();

# ---- the document
sub document {
    my ($vhost, $path, %want) = @_;
    my $answer = program($vhost, $path);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($answer->status, 200, "$path: 200") or return;
    is_deeply($answer->json, { bearer_methods_supported => ['header'], %want }, "$path: the document") or diag($answer->body);
    is($answer->header('Content-Type'), 'application/json', "$path: application/json");
    is($answer->header('Access-Control-Allow-Origin'), '*', "$path: for everybody");
    is(scalar(() = $answer->all('Set-Cookie')), 0, "$path: no cookie");
    return;
}
my $tid = '634aea33-7309-5fb7-9392-e7e153923083';
my @servers = ("$ENV{LMS_ROOT}/oauth2", "$ENV{ENTRA_ROOT}/$tid/v2.0");
document('bearer', "$WELL_KNOWN/rs", resource => "$root/rs", authorization_servers => \@servers);
document('bearer', "$WELL_KNOWN/rs?x=y", resource => "$root/rs", authorization_servers => \@servers);
document('bearer', "$WELL_KNOWN/rs/a/b", resource => "$root/rs/a/b", authorization_servers => \@servers);
document('bearer', "$WELL_KNOWN/rs/", resource => "$root/rs/", authorization_servers => \@servers);
document('bearer', "$WELL_KNOWN/rs/deep%20er", resource => "$root/rs/deep%20er", authorization_servers => ["$ENV{LMS_ROOT}/oauth2"]);
document('resource', $WELL_KNOWN, resource => vhost('resource'), authorization_servers => ["$ENV{LMS_ROOT}/oauth2"]);
document('resource', "$WELL_KNOWN/x", resource => vhost('resource') . '/x', authorization_servers => ["$ENV{LMS_ROOT}/oauth2"]);
for my $path ("$WELL_KNOWN/rs/off", "$WELL_KNOWN/rs/off/x") {
    is(program('bearer', $path)->status, 404, "$path: off");
}
for my $path ($WELL_KNOWN, "$WELL_KNOWN/", "$WELL_KNOWN/api", "$WELL_KNOWN/rsx", "${WELL_KNOWN}x/rs", "/.well-known/openid-configuration", "$WELL_KNOWN/../rs", "$WELL_KNOWN/rs/../api") {
    my $answer = program('bearer', $path);
    unlike($answer->body, qr/bearer_methods/, "$path: none of ours");
}
is(program('bearer2', "$WELL_KNOWN/rs")->status, 404, 'another virtual host has none');
my $before = backend_count();
is(program('resource', '/.well-known/other', token => $jwt)->status, 200, 'what stands beside it is the app\'s');
is(program('resource', '/.well-known/other')->status, 401, '... and protected');
is(program('resource', "$WELL_KNOWN")->status, 200, 'the document is open');
is(backend_count() - $before, 1, 'the app behind has not seen it');
is(program('bearer', "$WELL_KNOWN/rs", method => 'HEAD')->status, 200, 'HEAD');
my $answer = program('bearer', "$WELL_KNOWN/rs", method => 'POST', body => 'x');
is($answer->status . $answer->header('Allow'), '405GET, HEAD', 'POST: 405');
$answer = program('bearer', "$WELL_KNOWN/rs", method => 'OPTIONS', headers => [['Origin', 'http://x.test'], ['Access-Control-Request-Method', 'GET']]);
is($answer->status . $answer->header('Access-Control-Allow-Headers'), '204*', 'a script may ask with headers of its own');
is(program('bearer', "$WELL_KNOWN/rs", headers => [['Host', 'evil.test']])->json->{resource}, "$root/rs", 'a made-up host does not get into it');

# ---- and who is told of it
my $named = sub { resource_metadata => "$root$WELL_KNOWN/rs$_[0]" };
is_refused(program('bearer', '/rs'), 401, 'login_required', 'a 401 names it', $named->(''));
is_refused(program('bearer', '/rs/x/y?z'), 401, 'login_required', 'also that of a path under the resource', $named->(''));
is_refused(program('bearer', '/rs', token => 'a.b.c'), 401, 'invalid_token', 'a token that is none', $named->(''));
is_refused(program('bearer', '/rs/scope', token => $jwt), 403, 'insufficient_scope', 'a scope that is missing', $named->(''), scope => 'grades:read');
is_refused(program('bearer', '/rs/off'), 401, 'login_required', 'off: it does not');
is_refused(program('resource', '/x'), 401, 'login_required', 'a whole host', resource_metadata => vhost('resource') . $WELL_KNOWN);
is(program('bearer', '/rs', token => $jwt)->status, 200, 'with a token: in');

# ---- preflights
my @preflight = (['Origin', 'http://x.test'], ['Access-Control-Request-Method', 'PUT'], ['Access-Control-Request-Headers', 'authorization']);
$answer = program('bearer', '/preflight', method => 'OPTIONS', headers => \@preflight);
is($answer->status, 200, 'EdxSSOPreflight pass: the app sees it');
is(seen($answer)->{REMOTE_USER}, undef, 'without a user');
$answer = program('bearer', '/preflight', method => 'OPTIONS', headers => [@preflight, ['Edxsso-Username', 'mallory'], ['Remote-User', 'mallory'], ['Authorization', "Bearer $jwt"]]);
is(join(',', grep { /mallory|jsmith/ && !/AUTHORIZATION/ } split /\n/, $answer->body), '', 'and without any that it brings along');
is_refused(program('bearer', '/api', method => 'OPTIONS', headers => \@preflight), 401, 'login_required', 'refuse: 401');
for my $case (
    ['no Origin', 'OPTIONS', [$preflight[1]]], ['no method asked for', 'OPTIONS', [$preflight[0]]], ['OPTIONS alone', 'OPTIONS', []],
    ['GET', 'GET', \@preflight], ['POST', 'POST', \@preflight], ['options', 'options', \@preflight],
) {
    is_refused(program('bearer', '/preflight', method => $case->[1], headers => $case->[2]), 401, 'login_required', "no preflight: $case->[0]");
}
is(program('bearer', '/preflight', token => $jwt)->status, 200, 'the request itself, with a token');

# ---- scripts that are not signed in: 401 as JSON, no cookie
my @asking = (
    ['fetch()', 'GET', [], 'fetch'], ['XMLHttpRequest', 'GET', [['X-Requested-With', 'XMLHttpRequest']], 'fetch'],
    ['EventSource', 'GET', [['Accept', 'text/event-stream']], 'fetch'], ['POST by fetch()', 'POST', [], 'fetch'],
    ['a WebSocket', 'GET', [['Upgrade', 'websocket'], ['Connection', 'Upgrade, close'], ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
            ['Sec-WebSocket-Version', '13'], ['Sec-Fetch-Mode', 'websocket']], 'fetch'],
);
for my $case (@asking) {
    my ($name, $method, $headers, $as) = @$case;
    for my $path (qw(/both /first /mixed /cookie)) {
        is_refused(browser('bearer')->request($method, $path, as => $as, headers => $headers), 401, 'login_required', "$name: $path");
    }
}
done_testing();
