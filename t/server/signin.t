# SPDX-License-Identifier: Apache-2.0
# Signing in at an LMS when all goes well: what the LMS is asked, what the browser gets, who is signed in.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::SignIn;
use Digest::SHA ();
use MIME::Base64 ();

my @MANY = qw(inline hint complete basic public url);
allow_log('SSO0564', 'SSO0681');

sub query_of { my %q = EdxSSO::Browser::query($_[0]); return \%q }
sub names_of { my @q = EdxSSO::Browser::query($_[0]); return map { $q[2 * $_] } 0 .. $#q / 2 }
sub s256 { my $d = MIME::Base64::encode_base64(Digest::SHA::sha256($_[0]),
    ''); $d =~ tr{+/}{-_}; $d =~ tr/=//d; return $d }

lms_reset(@MANY);

# ---- one sign-in, looked at closely
{
    my $browser = browser('main');
    my $page = '/studio/course?a=1&b=%20x&c=%C3%A4+y&&d=';
    my $start = $browser->get($page);
    is($start->status, 302, 'a page that needs sign-in redirects');
    is($start->header('Cache-Control'), 'no-store', 'never stored');
    my $to = $start->header('Location');
    like($to, qr{^\Q$ENV{LMS_ROOT}\E/oauth2/authorize\?}, 'straight to the LMS');
    my $asked = query_of($to);
    is_deeply([names_of($to)],
        [qw(client_id redirect_uri response_type state code_challenge code_challenge_method scope)],
        'the parameters, scope last');
    is($asked->{client_id}, 'studio-sso', 'client_id');
    is($asked->{redirect_uri}, vhost('main') . '/edxsso/callback/lms', 'redirect_uri');
    is($asked->{response_type}, 'code', 'response_type');
    is($asked->{code_challenge_method}, 'S256', 'PKCE');
    is($asked->{scope}, 'user_id profile email', 'scope');
    my ($login) = grep { /^edxsso_login=/ } $start->all('Set-Cookie');
    like($login, qr/; HttpOnly/i, 'the login cookie is not for scripts');
    like($login, qr/; SameSite=Lax/i, 'it is Lax');
    like($login, qr/; Max-Age=600\b/i, 'it lives as long as a sign-in');
    unlike($login, qr/; Domain=/i, 'it is for this host alone');
    my ($binding) = $login =~ /=([^;]+)/;
    unlike($asked->{state}, qr/\Q$binding\E/, 'the state does not show it');
    is(scalar(grep { /^edxsso=/ } $start->all('Set-Cookie')), 0, 'no session yet');

    my $answer = to_callback($browser, $page);
    my $callback = $answer->location;
    my $done = $browser->get($callback, cross_site => 1);
    is($done->status, 302, 'the callback redirects');
    is($done->header('Location'), vhost('main') . $page, 'to the very address that was asked for');
    is($done->header('Cache-Control'), 'no-store', 'never stored');
    like($done->header('Referrer-Policy'), qr/^no-referrer$/, 'the code does not travel in Referer');
    my ($session) = grep { /^edxsso=/ } $done->all('Set-Cookie');
    like($session, qr/^edxsso=[\w-]{22,}; .*HttpOnly/i, 'a session cookie');
    like($session, qr/; SameSite=Lax/i, 'Lax');
    like($session, qr{; Path=/(;|$)}i, 'for all paths');
    my $app = $browser->follow($done);
    is($app->status, 200, 'the app answers');
    like($app->body, qr/^REMOTE_USER=jsmith$/m, 'and knows who it is');
    like($app->body, qr/^QUERY_STRING=\Qa=1&b=%20x&c=%C3%A4+y&&d=\E$/m, 'the query is as it was');

    my $call = lms_last();
    my %form = map { $_ => $call->{form}{$_}[0] } keys %{ $call->{form} };
    my %headers = map { lc $_->[0] => $_->[1] } @{ $call->{headers} };
    is($call->{method}, 'POST', 'token request: POST');
    is($call->{raw_query} // '', '', 'no query');
    is($headers{'content-type'}, 'application/x-www-form-urlencoded', 'a form');
    ok(!exists $headers{authorization}, 'no Authorization');
    like($headers{accept} // '', qr{application/json}, 'asks for JSON');
    is(scalar(grep { @{ $call->{form}{$_} } != 1 } keys %{ $call->{form} }), 0, 'each field once');
    is_deeply([sort keys %form],
        [sort qw(grant_type code redirect_uri client_id client_secret code_verifier token_type
        asymmetric_jwt)], 'its fields');
    is($form{grant_type}, 'authorization_code', 'grant_type');
    is($form{code}, query_of($callback)->{code}, 'the code');
    is($form{redirect_uri}, vhost('main') . '/edxsso/callback/lms', 'redirect_uri as before');
    is($form{client_id}, 'studio-sso', 'client_id');
    is($form{client_secret}, 'studio-secret', 'the secret in the body');
    is($form{token_type}, 'jwt', 'token_type=jwt');
    is($form{asymmetric_jwt}, 'true', 'asymmetric_jwt=true');
    my ($asking) = grep { ($_->{query}{state}[0] // '') eq query_of($callback)->{state} }
        @{ lms('requests?endpoint=/oauth2/authorize')->{requests} };
    is(s256($form{code_verifier}), $asking->{query}{code_challenge}[0], 'the verifier fits its challenge');
}

# ---- claims reach the app
for my $case (
    ['jsmith', EDXSSO_USER_ID => '42'], ['jsmith', EDXSSO_EMAIL => 'jsmith@example.com'],
        ['jsmith', EDXSSO_NAME => 'Joe Smith'],
    ['jsmith', EDXSSO_PROVIDER => 'lms'], ['jsmith', AUTH_TYPE => 'edxsso'],
        ['zoe', EDXSSO_NAME => "Zoë Müller-Şahin 🎓 李"],
    ['noname', EDXSSO_NAME => undef], ['jürgen', REMOTE_USER => 'jürgen'],
        ['odd.name+tag@x-y_z', REMOTE_USER => 'odd.name+tag@x-y_z'],
    ['newbie', EDXSSO_CLAIM_email_verified => 'false'], ['nomail', EDXSSO_USERNAME => 'nomail'],
    ['staff', EDXSSO_CLAIM_administrator => 'true'], ['jsmith', EDXSSO_CLAIM_scopes => 'user_id,profile,email'],
) {
    my ($user, $name, $value) = @$case;
    my $app = signed_in(browser('main'), $user, '/studio', "$user signs in");
    if (defined $value) { like($app->body, qr/^\Q$name=$value\E$/m, "$name of $user") }
    else { unlike($app->body, qr/^$name=/m, "no $name of $user") }
}

# ---- a new session id each time; the old one ends
{
    my $browser = browser('main');
    signed_in($browser, 'alice', '/studio', 'alice');
    my $old = $browser->clone;
    my $first = $browser->cookie('edxsso')->{value};
    $browser->follow($browser->get('/edxsso/login?next=/studio'));
    isnt($browser->cookie('edxsso')->{value}, $first, 'signing in again makes a new session id');
    is($old->get('/studio')->status, 302, 'and ends the session that was there');
    like($browser->get('/studio')->body, qr/^REMOTE_USER=alice$/m, 'the new one counts');
    my $planted = browser('main');
    $planted->set_cookie('edxsso=AAAAAAAAAAAAAAAAAAAAAA; Path=/');
    signed_in($planted, 'bob', '/studio', 'with a session cookie that somebody planted');
    isnt($planted->cookie('edxsso')->{value}, 'AAAAAAAAAAAAAAAAAAAAAA', 'it is not taken over');
}

# ---- many sign-ins: nothing is used twice
{
    my (%state, %challenge, %verifier);
    my $count = slow() ? 300 : 60;
    for (1 .. $count) {
        my $q = query_of(browser('main')->get('/studio')->header('Location'));
        $state{ $q->{state} } = $challenge{ $q->{code_challenge} } = 1;
    }
    is(scalar keys %state, $count, "$count sign-ins, as many states");
    is(scalar keys %challenge, $count, 'and challenges');
    is(scalar(grep { !/^[\w-]{43}$/ } keys %challenge), 0, 'each of 43 characters');
    my $record = lms('requests?endpoint=/oauth2/access_token&last=300')->{requests};
    $verifier{ $_->{form}{code_verifier}[0] }++ for @$record;
    is(scalar(grep { !/^[\w.~-]{43,128}$/ || $verifier{$_} > 1 } keys %verifier), 0,
        'verifiers of 43 characters or more, each once');
}

# ---- any number of tabs
{
    my $browser = browser('main');
    my @tabs = map { to_callback($browser, "/studio/tab$_") } 1 .. 60;
    is(scalar(grep { defined $_->location && $_->location =~ m{/edxsso/callback/lms\?} } @tabs), 60,
        '60 tabs are on their way');
    my @ours = grep { $_->{name} =~ /^edxsso/ } $browser->cookies;
    is(scalar @ours, 1, 'with one cookie');
    cmp_ok(length $ours[0]{value}, '<', 100, 'a small one');
    for my $n (60, 1, 30) {
        my $done = $browser->get($tabs[$n - 1]->location, cross_site => 1);
        is($done->header('Location'), vhost('main') . "/studio/tab$n", "tab $n arrives where it was going");
    }
    is($browser->get('/studio')->status, 200, 'and is signed in');
}

# ---- variants of one provider: the callback, client authentication, hints, keys from elsewhere
for my $case (
    [complete => sub { is(query_of($_[0])->{redirect_uri}, vhost('si_many') . '/complete/edx-oauth2/',
        'EdxSSOCallbackPath') }],
    [hint     => sub { is(query_of($_[0])->{tpa_hint}, 'saml-ubc', 'EdxSSOTPAHint');
                       is((names_of($_[0]))[-1], 'scope', 'scope is still last') }],
    [basic    => undef, sub { my ($call, $form, $headers) = @_;
                       is($headers->{authorization}, 'Basic '
                           . MIME::Base64::encode_base64('studio-sso:studio-secret', ''), 'Basic');
                       ok(!exists $form->{client_secret}, 'and no secret in the body') }],
    [public   => undef, sub { my ($call, $form, $headers) = @_;
                       ok(!exists $headers->{authorization} && !exists $form->{client_secret},
                           'no secret at all');
                       is($form->{client_id}[0], 'public-app', 'but the client id') }],
    [inline   => undef, undef],
    [url      => undef, undef],
) {
    my ($name, $authorize, $token) = @$case;
    my $browser = browser('si_many');
    my $start = $browser->get("/edxsso/login?provider=$name&next=/app");
    $authorize->($start->header('Location')) if $authorize;
    my $app = $browser->follow($start);
    like($app->body, qr/^EDXSSO_PROVIDER=$name$/m, "$name: signed in by that provider") or diag($app->status,
        $app->body);
    my $call = lms_last();
    $token->($call, $call->{form}, { map { lc $_->[0] => $_->[1] } @{ $call->{headers} } }) if $token;
}
{
    my $start = browser('main')->get('/edxsso/login?tpa_hint=oa2-google-oauth2&next=/studio');
    is(query_of($start->header('Location'))->{tpa_hint}, 'oa2-google-oauth2', '?tpa_hint= for one sign-in');
    is((names_of($start->header('Location')))[-1], 'scope', 'scope is still last');
    $start = browser('si_many')->get('/edxsso/login?provider=hint&tpa_hint=oa2-google-oauth2');
    is(query_of($start->header('Location'))->{tpa_hint}, 'oa2-google-oauth2', 'it wins over the directive');
    my @hints = map { my $q = query_of(browser('main')->get('/edxsso/login?tpa_hint='
        . $_)->header('Location')); $q->{tpa_hint} // '' }
        ('a%26redirect_uri%3Dhttp://evil.test', 'x%0d%0aSet-Cookie:%20a=1');
    is_deeply(\@hints, ['a&redirect_uri=http://evil.test', "x\r\nSet-Cookie: a=1"],
        'a hint stays one parameter');
}

# ---- two LMSs, one of them at another address for browsers
{
    my ($main, $roots) = (vhost('si_roots'), 'si_roots');
    lms_root($ENV{LMS2_ROOT});
    lms_reset('roots');
    my $browser = browser($roots);
    my $start = $browser->get('/app/x?y=1');
    like($start->header('Location'), qr{^\Q$ENV{LMS2_PUBLIC}\E/oauth2/authorize\?},
        'browsers go to the public root');
    isnt($ENV{LMS2_PUBLIC}, $ENV{LMS2_ROOT}, '(which is another)');
    signed_in($browser, 'alice', '/app', 'and are signed in');
    is(lms_last()->{root}, 'internal', 'the token request went to the internal root');
    is(lms_last('/oauth2/authorize')->{root}, 'public', 'the browser to the public one');

    my $choice = browser($roots)->get('/other?q=1');
    is($choice->status, 302, 'a place that accepts both');
    my $page = browser($roots)->get($choice->header('Location'));
    is($page->status, 200, 'has a sign-in page');
    my @links = $page->body =~ /href="([^"]+)"/g;
    s/&amp;/&/g for @links;
    is(scalar @links, 2, 'with a button each');
    is_deeply([map { query_of($_)->{next} } @links], [("$main/other?q=1") x 2], 'that lead back to the page');
    like($page->body, qr/The other LMS/, 'by display name');
    like($page->header('Content-Security-Policy'), qr/default-src 'none'/, 'with a policy');
    is($page->header('Cache-Control'), 'no-store', 'never stored');
    is_deeply([map { browser($roots)->get($_)->status } @links], [302, 302], 'each starts a sign-in');

    # a session of the one where only the other is accepted
    lms_root($ENV{LMS_ROOT});
    my $main_user = browser($roots);
    $main_user->follow($main_user->get('/edxsso/login?provider=lms&next=/other'));
    like($main_user->get('/other')->body, qr/^EDXSSO_PROVIDER=lms$/m, 'signed in by main\'s LMS');
    like($main_user->get('/app')->header('Location') // '', qr{^\Q$ENV{LMS2_PUBLIC}\E/oauth2/authorize},
        'EdxSSOUse: has to sign in again');

    # mix-up: the answer of the one at the callback of the other
    for my $case ([lms => 'roots', 2, 'SSO0553'], [roots => 'lms', 1, 'SSO0553']) {
        my ($from, $to, $called, $log) = @$case;
        lms_root($called == 2 ? $ENV{LMS2_ROOT} : $ENV{LMS_ROOT});
        my $victim = browser($roots);
        my $from_lms = to_callback($victim, "/edxsso/login?provider=$from&next=/other");
        (my $mixed = $from_lms->location) =~ s{/callback/$from\?}{/callback/$to?};
        my $before = lms_calls();
        my $answer = $victim->get($mixed);
        is($answer->status, 400, "the answer of $from at the callback of $to");
        expect_log($log);
        is(lms_calls(), $before, 'the other is not asked');
        ok(!$victim->cookie('edxsso'), 'nobody is signed in');
    }
    lms_root($ENV{LMS_ROOT});
}

# ---- OpenID Connect's initiated login, and RFC 9207's iss
for my $case (
    ['iss=' . EdxSSO::Browser::escape("$ENV{LMS2_PUBLIC}/oauth2"), 302,
        qr{^\Q$ENV{LMS2_PUBLIC}\E/oauth2/authorize}],
    ['iss=' . EdxSSO::Browser::escape("$ENV{LMS_ROOT}/oauth2"), 302, qr{^\Q$ENV{LMS_ROOT}\E/oauth2/authorize}],
    ['iss=' . EdxSSO::Browser::escape("$ENV{LMS_ROOT}/oauth2/"), 400, undef, 'SSO0502'],
    ['iss=', 400, undef, 'SSO0502'],
    ['iss=http://evil.test', 400, undef, 'SSO0502'],
    ['iss=a&iss=b', 400, undef, 'SSO0501'],
    ['provider=nothere', 400, undef, 'SSO0500'],
    ['provider=%3Cscript%3E', 400, undef, 'SSO0500'],
    ['provider=lms&provider=roots', 400, undef, 'SSO0501'],
    ['provider=', 200],
    ['provider=,%20,', 200],
    ['provider=roots&target_link_uri=http://evil.test/', 400, undef, 'SSO0105'],
) {
    my ($query, $status, $location, $log) = @$case;
    my $answer = browser('si_roots')->get("/edxsso/login?$query");
    is($answer->status, $status, "login?$query");
    like($answer->header('Location') // '', $location, 'where to') if $location;
    expect_log($log) if $log;
    unlike($answer->body, qr/script>/, 'nothing of it is on the page');
}
{
    my $browser = browser('si_roots');
    my $answer = to_callback($browser, '/edxsso/login?iss=' . EdxSSO::Browser::escape("$ENV{LMS_ROOT}/oauth2")
        . '&target_link_uri=' . EdxSSO::Browser::escape(vhost('si_roots') . '/other?deep=1'));
    my $done = $browser->get(with_query($answer->location, iss => "$ENV{LMS_ROOT}/oauth2"));
    is($done->header('Location'), vhost('si_roots') . '/other?deep=1',
        'target_link_uri is where it ends; the right iss is no harm');
    my $other = browser('main');
    $answer = to_callback($other, '/studio');
    refused($other, with_query($answer->location, iss => "$ENV{LMS2_PUBLIC}/oauth2"),
        'the answer names another issuer',
        status => 400, log => 'SSO0562', calls => 0, app => '/studio');
}

no_secrets();
done_testing();
