# SPDX-License-Identifier: Apache-2.0
# The ID mapping for middleware behind this site: who may ask, what is asked of the LMS, and that answers have the
# shape of the LMS's own.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Browser;
use EdxSSO::SignIn;
use JSON::PP ();
use POSIX ();

my $UBC = '/api/third_party_auth/v0/providers/saml-ubc/users';
my $BASIC = ['Authorization', 'Basic bWlkZGxld2FyZTpzZWNyZXQ=']; # middleware:secret
my $JSON = { 'Content-Type' => 'application/json' };
allow_log(qw(SSO0145 SSO0353 SSO0354), 'SSO0564', 'SSO0680');
lms_reset();

sub ask {
    my ($query, %option) = @_;
    return browser($option{vhost} // 'idmap_basic', as => 'plain')->get('/edxsso/idmapping/' . ($option{name} // 'api')
        . (defined $query ? "?$query" : ''), headers => [$BASIC, ['Accept', 'application/json']]);
}
sub rows { return map { "$_->{username}=$_->{remote_id}" } @{ $_[0]->json->{results} } }
sub calls { return lms("requests?endpoint=$_[0]&last=50")->{requests} }

# ---- many questions at once, and no token yet: one request asks for it, for all of them
{
    my $TOKEN = '/oauth2/access_token';
    lms(answer => { endpoint => $TOKEN, delay => 1 });
    my @pids = map {
        my $number = $_;
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $answer = eval { ask("username=cold$number") };
            POSIX::_exit($answer && $answer->status == 200 ? 0 : 1);
        }
        $pid;
    } 1 .. 6;
    my $failed = 0;
    for my $pid (@pids) {
        waitpid $pid, 0;
        $failed++ if $?;
    }
    is($failed, 0, 'all have their answer');
    is(scalar(grep { $_->{form}{grant_type}[0] eq 'client_credentials' } @{ calls($TOKEN) }), 1, 'by one token');
    lms(forget => {});
}

# ---- who may ask
{
    my $query = '/edxsso/idmapping/api?username=alice';
    is(browser('idmap_basic', as => 'plain')->get($query)->status, 401, 'nobody: 401');
    is(browser('idmap_basic', as => 'plain')->get($query, headers => [['Authorization', 'Basic bWlkZGxld2FyZTp4']])->status,
        401, 'a wrong password: 401');
    my $answer = browser('idmap', as => 'plain')->get('/edxsso/idmapping/lms?username=alice',
        headers => [['Accept', 'application/json']]);
    is($answer->status, 401, 'a place like any other: a script gets 401');
    is(($answer->json // {})->{error}, 'login_required', 'as JSON');
    my $browser = browser('idmap');
    $answer = $browser->get('/edxsso/idmapping/lms?username=alice', headers => [['Accept', 'text/html']]);
    is($answer->status, 302, 'and a browser is sent to sign in');

    $browser = browser('idmap');
    signed_in($browser, 'jsmith', '/edxsso/login?provider=lms&next=/app', 'somebody signs in');
    $answer = $browser->get('/edxsso/idmapping/lms?username=alice', headers => [['Accept', 'application/json']]);
    is($answer->status, 403, 'who is signed in and not let in: 403');
    expect_log('SSO0689', 'refused');
    is(scalar @{ calls($UBC) }, 1, 'nothing was asked but by the sign-in') or diag(scalar @{ calls($UBC) });
    $browser = browser('idmap');
    signed_in($browser, 'staff', '/edxsso/login?provider=lms&next=/app', 'who may ask signs in');
    $answer = $browser->get('/edxsso/idmapping/lms?username=alice');
    is($answer->status, 200, 'and may') or diag($answer->body);
    is(join(' ', rows($answer)), 'alice=remote_alice', 'the answer');
    for my $vhost (qw(main idmap_off)) {
        $answer = browser($vhost, as => 'plain')->get('/edxsso/idmapping/api?username=alice');
        is($answer->status, 404, "$vhost: off: 404");
        expect_log('SSO1240', 'off');
    }
    $answer = browser('idmap_pass', as => 'plain')->get('/edxsso/idmapping/api?username=alice',
        headers => [['Accept', 'application/json']]);
    is($answer->status, 401, 'EdxSSOUnauthenticated pass lets nobody through to it');
    unlike($answer->body, qr/remote_alice/, 'and tells nothing');
    is(browser('idmap_off', as => 'plain')->get('/edxsso//idmapping/api?username=alice')->status, 404, 'two slashes');
    expect_log('SSO1240', 'off');
}

# ---- the shape
lms(forget => {});
{
    my $answer = ask('username=alice');
    is($answer->status, 200, 'one user') or diag($answer->body);
    is($answer->header('Content-Type'), 'application/json', 'JSON');
    is($answer->header('Cache-Control'), 'no-store', 'kept by nobody else');
    my ($members) = $answer->body =~ /^\{(.*)\}\s*$/s;
    is(join(' ', $answer->body =~ /"(\w+)":/g), 'next previous count num_pages current_page start results username remote_id',
        'the members, in the order of the API');
    is_deeply($answer->json, { next => undef, previous => undef, count => 1, num_pages => 1, current_page => 1,
        start => 0, results => [{ username => 'alice', remote_id => 'remote_alice' }] }, 'the answer');
    is_deeply([rows(ask('remote_id=remote_staff'))], ['staff=remote_staff'], 'by remote id');
    is_deeply([sort(rows(ask('username=alice,jsmith&username=zoe&remote_id=remote_staff,remote_alice')))],
        ['alice=remote_alice', 'jsmith=remote_jsmith', 'staff=remote_staff'], 'repeats, commas, both at once: each row once');
    is_deeply(ask('username=nobody')->json, { next => undef, previous => undef, count => 0, num_pages => 1,
        current_page => 1, start => 0, results => [] }, 'unknown names are silently absent');
    my $calls = @{ calls($UBC) };
    is_deeply([rows(ask('username=nobody,alice'))], ['alice=remote_alice'], 'asked again');
    is(scalar @{ calls($UBC) }, $calls, 'answers are kept, empty ones as well');
    is_deeply([rows(ask('remote_id=campus:77', name => 'lti'))], ['bob=77'], 'LTI, as the API wants it');
}

# ---- many: in batches of 50, and in pages
lms(links => { provider => 'saml-ubc', rows => 250 });
lms(forget => {});
{
    my $names = join ',', map { sprintf 'user%03d', $_ } 1 .. 120;
    my $answer = ask("username=$names");
    my $page = $answer->json;
    is(join(' ', map { $page->{$_} } qw(count num_pages current_page start)), '120 12 1 0', 'ten a page');
    is(scalar @{ $page->{results} }, 10, 'ten rows');
    my @calls = @{ calls($UBC) };
    is(join(' ', map { scalar(() = $_->{query}{username}[0] =~ /user/g) } @calls), '50 50 20', 'batches of 50');
    like($page->{next}, qr{^http://localhost:\d+/edxsso/idmapping/api\?username=user001.*&page=2$}, 'the next page');
    my @seen = rows($answer);
    while ($page->{next}) {
        $answer = browser('idmap_basic', as => 'plain')->get($page->{next}, headers => [$BASIC]);
        $page = $answer->json;
        push @seen, rows($answer);
    }
    is(scalar(@seen), 120, 'all pages by their links');
    is(join(' ', @seen), join(' ', map { sprintf 'user%03d=remote%03d', $_, $_ } 1 .. 120), 'each row once, in order');
    is($page->{current_page}, 12, 'the last page');
    unlike($page->{previous}, qr/page=12/, 'has a previous one');
    is(ask("username=$names&page=last&page_size=50")->json->{start}, 100, 'page=last');
    is(scalar(rows(ask("username=$names&page_size=1000"))), 100, 'a hundred a page at most');
    is(scalar(rows(ask("username=$names&page_size=$_"))), 10, "page_size=$_ is none") for 0, 'x', '', -3;
    is(ask("username=$names&page=2&page_size=100")->json->{previous} =~ /page=\d/ ? 1 : 0, 0, 'to page 1: no number');
    for my $page (0, 13, 'x', -1, '1e3') {
        my $refused = ask("username=$names&page=$page");
        is($refused->status, 404, "page=$page");
        is($refused->json->{error}, 'not_found', 'as JSON');
        expect_log('SSO1245', 'no such page');
    }
    is(scalar @{ calls($UBC) }, 3, 'all of that from what is kept') or diag(scalar @{ calls($UBC) });
}

# ---- questions that are none
for my $case ([undef, 'SSO1244'], ['', 'SSO1244'], ['username=', 'SSO1244'], ['remote_id=,,', 'SSO1244'], ['page=1', 'SSO1244'],
    ['username=%ff', 'SSO1243'], ['username=%0', 'SSO1243'], ['username=' . join(',', 1 .. 501), 'SSO1242']) {
    my ($query, $number) = @$case;
    my $answer = ask($query);
    is($answer->status, 400, 'no question: ' . substr($query // 'none', 0, 20));
    is($answer->json->{error}, 'invalid_request', 'as JSON');
    expect_log($number, 'no question');
}
for my $name ('nobody', 'lms', 'api/x', '..%2fapi', 'API') {
    my $answer = ask('username=alice', name => $name);
    is($answer->status, 404, "no section: $name");
}
allow_log('SSO1241');
is(browser('idmap_basic', as => 'plain')->request(POST => '/edxsso/idmapping/api', body => 'username=alice',
    headers => [$BASIC])->status, 405, 'POST');
expect_log('SSO0683', 'POST');
is(scalar @{ calls($UBC) }, 3, 'nothing of all that went to the LMS');

# ---- the LMS refuses, fails, is away
for my $case (
    ['429', 503, 'SSO1215', 9, { status => 429, headers => { 'Retry-After' => 9 }, body => '' }],
    ['500', 502, 'SSO1216', undef, { preset => 'html-500' }],
    ['403', 502, 'SSO1213', undef, { status => 403, headers => $JSON, json => { detail => 'No.' } }],
    ['cut off', 502, 'SSO0330', undef, { preset => 'truncate' }],
    ['silence', 503, 'SSO0316', 5, { wire => 'hang' }],
) {
    my ($why, $status, $number, $retry_after, $answer) = @$case;
    next if $why eq 'silence' && !slow();
    lms(answer => { endpoint => $UBC, %$answer });
    my $got = ask('username=user240');
    is($got->status, $status, "the LMS: $why") or diag($got->body);
    ok($got->json && $got->json->{error_id}, 'as JSON');
    is($got->header('Retry-After'), $retry_after, 'Retry-After');
    $why eq 'silence' ? allow_log(map { sprintf 'SSO%04d', $_ } 300 .. 329) : expect_log($number, $why);
}
is(ask('username=alice', name => 'away')->status, 503, 'an LMS that is away');
ok(log_lines(qr/SSO03\d\d: idmapping: away: /), 'the log says where');
allow_log(map { sprintf 'SSO%04d', $_ } 300 .. 329);
is_deeply([rows(ask('username=user240'))], ['user240=remote240'], 'and works again');

done_testing();
