# SPDX-License-Identifier: Apache-2.0
# The LMS's ID mapping at sign-in, both ways; what becomes of those it does not know, and of everybody when it
# fails; and sign-ins that lack a claim, which a form may complete.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Browser;
use EdxSSO::SignIn;
use JSON::PP ();

my $API = '/api/third_party_auth/v0/providers';
my $AZURE = "$API/oa2-azuread-oauth2/users";
my $TOKEN = '/oauth2/access_token';
my @PROVIDERS = qw(entra byoid strict form refused unknown down short needs);
my $OID = qr/^[0-9a-f-]{36}\@[0-9a-f-]{36}$/;
allow_log(qw(SSO0145 SSO0353 SSO0354), 'SSO0564', 'SSO0680');

sub links { return lms(links => { provider => $_[0], links => $_[1] }) }

# Sign in; the browser, the last answer, what the app saw.
sub sign_in {
    my ($provider, $user, $browser) = @_;
    $browser //= browser('idmap');
    $provider eq 'lms' ? default_user($user) : entra(user => { default => $user });
    my $answer = $browser->follow($browser->get("/edxsso/login?provider=$provider&next=/app"),
        while => sub { ($_[0]->location // '') !~ m{^https://campus|/register} });
    my %seen = $answer->body =~ /^(\w+)=(.*)$/mg;
    return ($browser, $answer, \%seen);
}

sub mapped {
    my ($provider, $user, $want, $why) = @_;
    my ($browser, $answer, $seen) = sign_in($provider, $user);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    subtest $why => sub {
        is($answer->status, 200, 'signed in') or diag($answer->body);
        is($seen->{$_}, $want->{$_}, $_) for grep { !ref $want->{$_} } sort keys %$want;
        like($seen->{$_}, $want->{$_}, $_) for grep { ref $want->{$_} } sort keys %$want;
    };
    return $browser;
}

sub calls { return lms("requests?endpoint=$_[0]&last=50")->{requests} }

lms_reset();
lms(clients => { client_id => 'mapper', secret => 'mapper-secret', grant => 'client-credentials', owner => 'cms' });
entra(reset => {});
entra(apps => { name => 'groups', redirect_uris => [map { "http://localhost/edxsso/callback/$_" } @PROVIDERS] });
links('oa2-azuread-oauth2', [['jsmith', 'adele@contoso.com'], ['zoe', 'Zoe@Contoso.com'],
    ['alice', 'six@contoso.com.evil'], ['bob', 'someone,else']]);

# ---- from Entra to an edX user
mapped(entra => 'adele', { REMOTE_USER => 'jsmith', EDXSSO_USERNAME => 'jsmith', EDXSSO_REMOTE_ID => undef,
    EDXSSO_PROVIDER => 'entra', EDXSSO_EMAIL => 'adele@contoso.com' }, 'the edX user of somebody of Entra');
{
    my ($call) = @{ calls($AZURE) };
    is($call->{raw_query}, 'remote_id=adele%40contoso.com&page_size=100', 'the question');
    my ($authorization) = map { $_->[1] } grep { $_->[0] eq 'Authorization' } @{ $call->{headers} };
    like($authorization, qr/^JWT eyJ/, 'a JWT goes as JWT');
    my ($form) = grep { $_->{grant_type}[0] eq 'client_credentials' } map { $_->{form} } @{ calls($TOKEN) };
    is_deeply([map { $form->{$_}[0] } qw(client_id token_type asymmetric_jwt scope)], ['worker', 'jwt', 'true', undef],
        'what the token was asked for with');
}
mapped(entra => 'adele', { REMOTE_USER => 'jsmith' }, 'once more');
is(scalar @{ calls($AZURE) }, 1, 'the answer is kept');
is(scalar(grep { $_->{form}{grant_type}[0] eq 'client_credentials' } @{ calls($TOKEN) }), 1, 'and so is the token');
mapped(entra => 'zoe', { REMOTE_USER => $OID, EDXSSO_USERNAME => 'zoe@contoso.com' },
    'an LMS whose database tells upper from lower case does not find another case');
mapped(entra => 'nogroups', { REMOTE_USER => $OID }, 'nobody there: as without a mapping');
is(scalar(grep { $_->{form}{grant_type}[0] eq 'client_credentials' } @{ calls($TOKEN) }), 1, 'still one token');
lms(forget => {});
mapped(entra => 'nogroups', { REMOTE_USER => $OID }, 'and once more');
is(scalar @{ calls($AZURE) }, 0, 'an empty answer is kept, too');

# ---- rows
my $JSON = { 'Content-Type' => 'application/json' };

sub page_of {
    my ($rows, %more) = @_;
    my @rows = map { { username => $_->[0], remote_id => $_->[1] } } @$rows;
    return { endpoint => $AZURE, status => 200, headers => $JSON, json => { next => undef, previous => undef,
        count => scalar @rows, num_pages => 1, current_page => 1, start => 0, results => \@rows, %more } };
}

lms(answer => page_of([['alice', 'other@contoso.com'], ['bob', 'Six@contoso.com'], [7, 'six@contoso.com']]));
mapped(entra => 'six', { REMOTE_USER => 'bob' }, 'a UPN is the same in any case');
expect_log('SSO1226', 'rows that name another id');
like((log_lines(qr{SSO1226}))[-1], qr{: 2 rows that name another id}, 'how many');
lms(answer => page_of([['alice', 'alex@contoso.com'], ['bob', 'ALEX@contoso.com']]));
mapped(entra => 'alex', { REMOTE_USER => $OID }, 'who could be two people is nobody');
expect_log('SSO1228', 'two people');
lms(answer => [page_of([['zoe', 'many199@contoso.com']], count => 2, num_pages => 2, next => 'https://evil.example/x'),
    page_of([['zoe', 'MANY199@contoso.com']], count => 2, num_pages => 2, current_page => 2, start => 1)]);
lms(forget => {});
mapped(entra => 'many199', { REMOTE_USER => 'zoe' }, 'two pages');
is(join(' ', map { $_->{raw_query} } @{ calls($AZURE) }), 'remote_id=many199%40contoso.com&page_size=100 '
    . 'remote_id=many199%40contoso.com&page_size=100&page=2', 'both were asked for, by number');

# ---- the API refuses or fails: as if there were no entry, and nothing is kept
links('oa2-azuread-oauth2', [map { [$_, "$_\@contoso.com"] } qw(many200 many201)]);
my $DETAIL = { status => 401, headers => { %$JSON, 'WWW-Authenticate' => 'JWT realm="api"' },
    json => { detail => 'Invalid token.' } };
my @refusals = (
    ['a token that is not taken, nor a new one', 'SSO1212', { %$DETAIL, count => 2 }],
    ['429', 'SSO1215', { status => 429, headers => { 'Retry-After' => 7 }, body => '' }, qr/Retry-After 7/],
    ['503', 'SSO1215', { preset => 'html-503' }],
    ['500', 'SSO1216', { preset => 'html-500' }],
    ['a redirect', 'SSO1216', { preset => 'redirect' }],
    ['403', 'SSO1213', { status => 403, headers => $JSON, json => { detail => 'No.' } }, qr/tpa_provider:oa2-azuread/],
    ['404', 'SSO1214', { status => 404, headers => $JSON, json => { detail => 'Not found.' } }],
    ['HTML', 'SSO1219', { preset => 'html-200' }],
    ['no JSON', 'SSO1219', { preset => 'not-json' }],
    ['an array', 'SSO1219', { preset => 'json-array' }],
    ['results that are none', 'SSO1219', { status => 200, headers => $JSON, json => { results => 'many200' } }],
    ['fewer rows than it says', 'SSO1222', page_of([['many200', 'many200@contoso.com']], count => 2)],
    ['another page', 'SSO1220', page_of([], current_page => 2)],
    ['pages without end', 'SSO1221', { %{ page_of([], count => 1, next => 'x') }, count => 100 }],
    ['a page that goes away', 'SSO1218', [page_of([], next => 'x'), { endpoint => $AZURE, status => 404, body => '' }]],
    ['the connection breaks', 'SSO0312', { preset => 'reset', count => 2 }, undef, qr/SSO03\d\d/],
);
for my $case (@refusals) {
    my ($why, $number, $answer, $says, $any) = @$case;
    $answer = { endpoint => $AZURE, %$answer } if ref $answer eq 'HASH';
    delete $answer->{json}{current_page} if $why =~ /without end/;
    lms(answer => $answer);
    mapped(entra => 'many200', { REMOTE_USER => $OID }, "the API: $why");
    if ($any) {
        my ($line) = log_lines(qr/entra: ID mapping:.*as if there were no entry/);
        ok($line, 'the log says so');
        allow_log(map { sprintf 'SSO%04d', $_ } 305 .. 329);
    } else {
        expect_log($number, $why);
        like((log_lines(qr/$number/))[-1], $says, 'the line says more') if $says;
    }
}
lms(forget => {});
lms(answer => { endpoint => $AZURE, %$DETAIL });
mapped(entra => 'many200', { REMOTE_USER => 'many200' }, 'a token that is not taken any more is replaced, once');
is(scalar(grep { $_->{form}{grant_type}[0] eq 'client_credentials' } @{ calls($TOKEN) }), 1, 'by a new one');
mapped(refused => 'adele', { REMOTE_USER => $OID }, 'an application without staff rights');
expect_log('SSO1213', 'no rights');
mapped(unknown => 'adele', { REMOTE_USER => $OID }, 'a provider that the LMS does not have');
expect_log('SSO1214', 'no such provider');
mapped(down => 'adele', { REMOTE_USER => $OID }, 'an LMS that cannot be reached');
lms(answer => [{ endpoint => $AZURE, %$DETAIL }, { endpoint => $TOKEN, status => 401, headers => $JSON,
    json => { error => 'invalid_client' } }]);
mapped(entra => 'many201', { REMOTE_USER => $OID }, 'a secret that is not taken (any more)');
expect_log('SSO0401', 'invalid_client');
mapped(entra => 'many201', { REMOTE_USER => 'many201' }, 'nothing of all that was kept');

# ---- ids that cannot be asked for
lms(forget => {});
for my $upn ('a,b@contoso.com', '', ['x'], "x\x{1}", 'x' x 5000) {
    entra(fault => { claims => { upn => $upn } });
    mapped(entra => 'adele', { REMOTE_USER => $OID }, 'an id that cannot be asked for');
    expect_log('SSO1227', 'no id');
}
is(scalar @{ calls($AZURE) }, 0, 'and was not: an empty filter would be answered with everybody');

# ---- deny; a mapping that changes; an LMS that is away
{
    entra(users => { name => 'mfa', mfa_required => JSON::PP::false });
    my (undef, $answer) = sign_in(strict => 'mfa');
    is($answer->status, 403, 'no entry, and there must be one') or diag($answer->body);
    like($answer->body, qr/no user account of the learning site/, 'the page says so');
    expect_log('SSO1223', 'deny');
    links('oa2-azuread-oauth2', [['alice', 'mfa@contoso.com']]);
    my $until = time + 60;
    ($answer) = (sign_in(strict => 'mfa'))[1] while ($answer->status != 200 && time < $until);
    like($answer->body, qr/^REMOTE_USER=alice$/m, 'an entry that was added counts when the TTL has ended');
    allow_log('SSO1223');
    links('oa2-azuread-oauth2', [['bob', 'mfa@contoso.com']]);
    $until = time + 60;
    ($answer) = (sign_in(strict => 'mfa'))[1] while ($answer->body !~ /^REMOTE_USER=bob$/m && time < $until);
    like($answer->body, qr/^REMOTE_USER=bob$/m, 'and so does one that was changed');
    lms(answer => { endpoint => $AZURE, preset => 'close', count => 0 });
    lms(forget => {});
    $until = time + 60;
    until (@{ calls($AZURE) } || time >= $until) {
        like((sign_in(strict => 'mfa'))[1]->body, qr/^REMOTE_USER=bob$/m, 'an LMS that is away: what is kept serves');
    }
    allow_log('SSO1225');
    ok(log_lines(qr/SSO1225/), 'also beyond its time, with a word in the log');
    lms_reset();
    links('oa2-azuread-oauth2', []);
}

# ---- the other way: the remote id of a user of the LMS, by a restricted application
mapped(lms => 'alice', { REMOTE_USER => 'alice', EDXSSO_USERNAME => 'alice', EDXSSO_REMOTE_ID => 'remote_alice' },
    'the remote id of a user of the LMS');
{
    my ($call) = @{ calls("$API/saml-ubc/users") };
    is($call->{raw_query}, 'username=alice&page_size=100', 'asked by user name');
    my ($form) = grep { $_->{grant_type}[0] eq 'client_credentials' } map { $_->{form} } @{ calls($TOKEN) };
    is($form->{scope}[0], 'tpa:read', 'the scope of EdxSSOScope, and no other');
}
mapped(lms => 'zoe', { REMOTE_USER => 'zoe', EDXSSO_REMOTE_ID => undef }, 'a user without one');
links('lti-campus', [['bob', 'campus:634aea33-x'], ['jsmith', 'campus:' . adele_oid()]]);
lms(forget => {});
mapped(byoid => 'adele', { REMOTE_USER => 'jsmith' }, 'LTI: asked with the prefix that answers come without');
like(calls("$API/lti-campus/users")->[0]{raw_query}, qr/^remote_id=campus%3A/, 'the question');

sub adele_oid {
    my (undef, undef, $seen) = sign_in(entra => 'adele');
    return $seen->{EDXSSO_USER_ID};
}

done_testing();
