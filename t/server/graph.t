# SPDX-License-Identifier: Apache-2.0
# Microsoft Graph at sign-in: groups beyond what a token holds, profile, picture; and that nobody stays
# outside because Graph fails.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Browser;
use EdxSSO::SignIn;
use JSON::PP ();
use MIME::Base64 ();

my $GROUPS = '/v1.0/me/transitiveMemberOf/microsoft.graph.group';
my @PROVIDERS = qw(ids all names limited noscope down meta);
allow_log('SSO0564', 'SSO0680', 'SSO0841', 'SSO0842');

sub reset_all { return entra_reset([qw(groups limited)], @PROVIDERS) }

sub calls { return entra("requests?endpoint=$_[0]&last=1")->{count} }

# Sign in; the browser, what the app sees, and how long it took.
sub sign_in {
    my ($provider, $user, $vhost) = @_;
    my ($browser, $began) = (browser($vhost // 'graph'), time);
    entra(user => { default => $user });
    my $answer = $browser->follow($browser->get("/edxsso/login?provider=$provider&next=/app"));
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($answer->status, 200, "$user signs in by $provider") or diag($answer->body);
    my %seen = $answer->body =~ /^(\w+)=(.*)$/mg;
    return ($browser, \%seen, time - $began);
}

sub groups_of { my ($seen) = @_; return split /,/, $seen->{EDXSSO_CLAIM_groups} // '' }

reset_all();

# ---- groups: in the token up to 200, of Graph beyond
for my $number (199, 200, 201, 1500) {
    entra(forget => {});
    my (undef, $seen) = sign_in(ids => "many$number");
    my %different = map { $_ => 1 } groups_of($seen);
    is(scalar keys %different, $number, "all of $number groups");
    is(calls($GROUPS), $number <= 200 ? 0 : $number <= 999 ? 1 : 2, 'pages read');
    ok(!(grep { /_claim_(?:names|sources)$|_hasgroups$/ } keys %$seen), 'no marker of overage');
    like($seen->{REMOTE_USER}, qr/^[0-9a-f-]{36}\@[0-9a-f-]{36}$/, 'the user is oid@tid');
}
{
    my (undef, $seen) = sign_in(names => 'adele');
    is(join(',', sort(groups_of($seen))), 'Course designers,Everyone,Staff', 'names, transitive');
    (undef, $seen) = sign_in(names => 'many1500');
    is((grep { /^bulk-\d{4}$/ } groups_of($seen)), 1500, '1500 names');
    (undef, $seen) = sign_in(names => 'nogroups');
    is($seen->{EDXSSO_CLAIM_groups} // '', '', 'no groups: no names');
}

# ---- what asks for permission, and what is missing without it
{
    my $start = browser('graph')->get('/edxsso/login?provider=names')->header('Location');
    my %asked = EdxSSO::Browser::query($start);
    is($asked{scope}, 'openid profile email offline_access User.Read GroupMember.Read.All', 'the scopes for names');
    my (undef, $seen) = sign_in(limited => 'adele');
    ok(!exists $seen->{EDXSSO_CLAIM_groups}, 'names that may not be read: no groups');
    expect_log('SSO0837', 'names');
    (undef, $seen) = sign_in(noscope => 'many201');
    ok(!exists $seen->{EDXSSO_CLAIM_groups}, 'overage without permission: no groups');
    expect_log('SSO0822', 'overage');
    like((log_lines(qr/SSO0822/))[0], qr/permission User\.Read is missing/, 'the line names it');
}

# ---- no list, no groups
for my $case (
    ['a page elsewhere', 'SSO0833', config => { next_link => 'foreign' }],
    ['a page at another port', 'SSO0833', config => { next_link => 'other-port' }],
    ['a relative link', 'SSO0833', config => { next_link => 'relative' }],
    ['pages in a circle', 'SSO0834', config => { next_link => 'loop' }],
    ['a page that has expired', 'SSO0823', config => { next_link => 'expired' }],
    ['403', 'SSO0822', graph => { endpoint => $GROUPS, status => 403, code => 'Authorization_RequestDenied' }],
    ['500 on the second page', 'SSO0823', graph => { endpoint => $GROUPS, skip => 1, status => 500 }],
    ['429 for 60 s', 'SSO0820', graph => { endpoint => $GROUPS, retry_after => 60 }],
    ['429 without a word', 'SSO0820', graph => { endpoint => $GROUPS }],
    ['cut off on the second page', 'SSO03\d\d',
        answer => { endpoint => $GROUPS, skip => 1, wire => 'truncate', run => JSON::PP::true() }],
    ['silence', 'SSO03\d\d', answer => { endpoint => $GROUPS, wire => 'hang' }],
) {
    my ($why, $number, $how, $what) = @$case;
    in_time(11, 'within the time of a call, or little more', sub { # EdxSSOHTTPTimeout is 8 s in all
        reset_all();
        entra($how => $what);
        my (undef, $seen) = sign_in(ids => 'many1500');
        ok(!exists $seen->{EDXSSO_CLAIM_groups}, "$why: no groups");
        my @lines = log_lines(qr/\b$number: ids: graph: groups: /);
        my ($found) = map { /\b(SSO\d{4}):/ } $lines[-1] // '';
        expect_log($found // $number, $why);
    });
}
{
    reset_all();
    entra(graph => { endpoint => $GROUPS, retry_after => 1 });
    my (undef, $seen, $took) = sign_in(ids => 'many1500');
    is(scalar(groups_of($seen)), 1500, '429 for 1 s: waited for');
    cmp_ok($took, '>=', 1, 'really');
    entra(config => { next_link => 'empty' });
    (undef, $seen) = sign_in(ids => 'many1500');
    is(scalar(groups_of($seen)), 1500, 'an empty page in between');
    entra(forget => {});
    entra(fault => { name => 'overage-evil' });
    (undef, $seen) = sign_in(ids => 'adele');
    is(scalar(groups_of($seen)), 3, 'the URL in the token is not asked: Graph is');
}

# ---- profile
{
    reset_all();
    my (undef, $seen) = sign_in(all => 'adele');
    my %want = (jobTitle => 'Retail Manager', department => 'Retail', officeLocation => '18/2111',
        preferredLanguage => 'en-US', businessPhones => '+1 425 555 0109', surname => 'Vance', employeeId => 'E42');
    is($seen->{"EDXSSO_CLAIM_$_"}, $want{$_}, $_) for sort keys %want;
    ok(!exists $seen->{EDXSSO_CLAIM_mobilePhone}, 'a null is left out');
    ok(!(grep { /odata/ } keys %$seen), 'nothing of the protocol');
    entra(fault => { claims => { jobTitle => 'of the token' } });
    (undef, $seen) = sign_in(all => 'adele');
    is($seen->{EDXSSO_CLAIM_jobTitle}, 'of the token', 'what the token says is not replaced');
    entra(graph => { endpoint => '/v1.0/me', status => 403, code => 'Authorization_RequestDenied' });
    (undef, $seen) = sign_in(all => 'adele');
    ok(!exists $seen->{EDXSSO_CLAIM_jobTitle}, 'without permission there is none');
    is(scalar(groups_of($seen)), 3, 'the rest is there');
    expect_log('SSO0822', 'profile');
    (undef, $seen) = sign_in(down => 'adele');
    is($seen->{EDXSSO_CLAIM_name}, 'Adele Vance', 'Graph is down: what the token says is there');
    my @lines = log_lines(qr/: down: graph: (?:groups|profile|photo): /);
    is(scalar @lines, 3, 'a line for each part');
    expect_log('SSO0306', 'down', times => 3);
}

# ---- where Graph is: the stand-in speaks no TLS, and a host in the metadata means https
{
    reset_all();
    entra(forget => {});
    my (undef, $seen) = sign_in(meta => 'adele', 'graph_meta');
    ok(!exists $seen->{EDXSSO_CLAIM_jobTitle}, 'no profile');
    my ($where) = $ENV{GRAPH_ROOT} =~ m{//(.*)};
    my ($line) = log_lines(qr/ meta: graph: profile: Microsoft Graph: \Q$where\E: /);
    ok($line, 'it was looked for where the metadata say');
    expect_log($line =~ /\b(SSO03\d\d):/ ? $1 : 'SSO03', 'metadata');
    is(calls('/v1.0/me'), 0, 'and the token did not go there in the clear');
}

# ---- picture
{
    reset_all();
    my ($browser) = sign_in(all => 'adele');
    my $photo = $browser->get('/edxsso/photo');
    is($photo->status, 200, 'the picture');
    is($photo->header('Content-Type'), 'image/jpeg', 'its type');
    like($photo->body, qr/\A\xff\xd8\xff.*\xff\xd9\z/s, 'its bytes, those that are 0 too');
    is($photo->header('Content-Length'), length $photo->body, 'its length');
    is($photo->header('X-Content-Type-Options'), 'nosniff', 'nosniff');
    like($photo->header('Content-Security-Policy'), qr/\bsandbox\b/, 'sandbox');
    like($photo->header('Cache-Control'), qr/^private/, 'not for shared caches');
    my $head = $browser->request(HEAD => '/edxsso/photo');
    is($head->status . ' ' . length $head->body, '200 0', 'HEAD');
    is(browser('graph')->get('/edxsso/photo')->status, 401, 'nobody: 401');
    my ($other) = sign_in(all => 'alex');
    is($other->get('/edxsso/photo')->status, 404, 'a user without one: 404');
    is($browser->get('/edxsso/photo')->status, 200, "another's sign-in changes nothing");
    for my $case (
        ['HTML', 'image/jpeg', '<html><script>alert(1)</script>', 'SSO0829'],
        ['SVG', 'image/svg+xml', '<svg onload="alert(1)"/>', 'SSO0829'],
        ['a large one', 'image/jpeg', "\xff\xd8\xff" . 'x' x 300_000, 'SSO0830'],
        ['a huge one', 'image/jpeg', "\xff\xd8\xff" . 'x' x 1_200_000, 'SSO0301'],
    ) {
        my ($what, $type, $bytes, $number) = @$case;
        entra(users => { name => 'alex', photo => { type => $type, size => 240,
            b64 => MIME::Base64::encode_base64($bytes, '') } });
        ($other) = sign_in(all => 'alex');
        is($other->get('/edxsso/photo')->status, 404, "$what is no picture");
        expect_log($number, $what);
    }
    entra(users => { name => 'adele', photo => undef });
    my ($again) = sign_in(all => 'adele');
    is($again->get('/edxsso/photo')->status, 404, 'taken away: gone with the next sign-in');
}

is((grep { /eyJ[\w-]{20}/ } log_lines()), 0, 'no token in the log');
reset_all();
done_testing();
