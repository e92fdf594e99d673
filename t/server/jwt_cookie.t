# SPDX-License-Identifier: Apache-2.0
# The LMS's own JWT cookies: joined, verified, renewed meanwhile; halves, strangers, other sites.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Token;
use EdxSSO::Browser;
use EdxSSO::Visitor ();

lms_reset();
allow_log(qw(SSO0564 SSO0680 SSO1131 SSO0353 SSO0354));
my @NAMES = qw(edx-jwt-cookie-header-payload edx-jwt-cookie-signature);

# A Cookie header with the halves of a token.
sub halves {
    my ($token, $prefix) = @_;
    my ($front, $back) = $token =~ /^(.*)\.([^.]*)$/;
    return ("$prefix$NAMES[0]=$front", "$prefix$NAMES[1]=$back") if defined $prefix;
    return ("$NAMES[0]=$front", "$NAMES[1]=$back");
}
sub ask {
    my ($path, $cookies, %how) = @_;
    my @headers = (@{ delete $how{headers} || [] }, @$cookies ? ['Cookie', join '; ', @$cookies] : ());
    return browser('bearer')->request($how{method} // 'GET', $path, as => $how{as} // 'plain', headers => \@headers,
        ($how{method} // '') =~ /POST|PUT/ ? (body => 'a=b') : ());
}

# ---- from the LMS itself: what /login_refresh sets
{
    my $lms = EdxSSO::Browser->new(base => $ENV{LMS_ROOT});
    $lms->follow($lms->get('/login?next=/x&auto=jsmith'));
    my $answer = $lms->post('/login_refresh', {});
    my %set = map { /^([\w-]+)=([^;]*)/ ? ($1 => $2) : () } $answer->all('Set-Cookie');
    ok($set{ $NAMES[0] } && $set{ $NAMES[1] }, 'the LMS sets both cookies') or diag($answer->status . $answer->body);
    my $app = ask('/cookie', [map { "$_=$set{$_}" } @NAMES]);
    is($app->status, 200, 'they are a user');
    is(seen($app)->{REMOTE_USER}, 'jsmith', 'the one of the LMS');
    is(scalar(() = $app->all('Set-Cookie')), 0, 'no cookie of ours, no redirect');
    like($app->body, qr/^HTTP_COOKIE=.*edx-jwt-cookie/m, "the LMS's cookies go on to the app");
}

my $jwt = lms_token();
my ($front, $back) = halves($jwt);
is(ask('/cookie', [$front, $back])->status, 200, 'the cookies') for 1, 2;
is(ask('/cookie', ['a=b', $back, 'c=d', $front])->status, 200, 'in any order, among others');
is(seen(ask('/cookie', [halves(lms_token(user => 'zoe'))]))->{REMOTE_USER}, 'zoe', 'renewed meanwhile, for somebody else: that is who it is');
is(seen(ask('/cookie', [$front, $back]))->{REMOTE_USER}, 'jsmith', 'and back');

# ---- what does not count is nobody, where there is nothing else
my ($zoe_front, $zoe_back) = halves(lms_token(user => 'zoe'));
for my $case (
    ['none', []], ['one half', [$front]], ['the other half', [$back]], ["halves of two", [$front, $zoe_back]], ['and the other way round', [$zoe_front, $back]],
    ['two different ones of one name', [$front, $back, $zoe_front]], ['two different signatures', [$front, $back, $zoe_back]],
    ['an empty half', [$front, "$NAMES[1]="]], ['a token in one', ["$NAMES[0]=$jwt"]], ['a token in each', ["$NAMES[0]=$jwt", "$NAMES[1]=$jwt"]],
    ['another name', [halves($jwt, 'stage-')]], ['expired', [halves(lms_token(fault => { name => 'exp-past' }))]],
    ['altered', [halves(lms_token(fault => { name => 'signature-flipped' }))]], ['another audience', [halves(lms_token(fault => { name => 'aud-wrong' }))]],
    ['restricted', [halves(lms_token(client => 'restricted-app', scopes => ['email']))]], ['garbage', ["$NAMES[0]=a.b", "$NAMES[1]=c"]],
    ['the header alone', ["$NAMES[0]=x", "$NAMES[1]=y"]],
) {
    my ($why, $cookies) = @$case;
    is_refused(ask('/cookie', $cookies), 401, 'login_required', "$why: nobody") for 1, 2;
    is(seen(ask('/cookiepass', $cookies))->{REMOTE_USER}, undef, "$why: nobody is let through where nobody may");
    is(ask('/mixed', $cookies, as => 'navigation')->status, 302, "$why: a page is sent to sign in where sessions count");
}
is(ask('/cookie', [$front, $back, $front])->status, 200, 'the same one twice is one');
is(seen(ask('/cookiepass', [$front, $back]))->{REMOTE_USER}, 'jsmith', 'pass: a user is known');
is(ask('/hmac', [halves($jwt, 'stage-')])->status, 200, 'EdxSSOJWTCookies: other names');
is_refused(ask('/hmac', [$front, $back]), 401, 'login_required', 'and not the usual ones');
is_refused(ask('/api', [$front, $back]), 401, 'login_required', 'bearer alone takes no cookies');
is(ask('/cookie', [$front, $back], as => 'navigation')->status, 200, 'a page');

# with a session: cookies that do not count leave it to the session
{
    my $browser = EdxSSO::Visitor::visitor('bearer', '/mixed');
    is(seen($browser->get('/mixed'))->{REMOTE_USER}, 'jsmith', 'a session');
    my $cookie = 'edxsso=' . $browser->cookie('edxsso')->{value};
    is(seen(ask('/mixed', [$cookie, $zoe_front, $zoe_back]))->{REMOTE_USER}, 'zoe', 'jwt-cookie session: cookies come first');
    is(seen(ask('/mixed', [$cookie, $zoe_front]))->{REMOTE_USER}, 'jsmith', 'half of them: the session');
    is(seen(ask('/mixed', [$cookie, $zoe_front, $zoe_back]))->{HTTP_COOKIE} =~ /edxsso=/ ? 1 : 0, 0, 'our own cookie does not go on');
}

# ---- what changes something has to come from here
my $root = vhost('bearer');
for my $case (
    ['POST', [], 403], ['PUT', [], 403], ['DELETE', [], 403], ['PATCH', [], 403], ['FOO', [], 403], ['GET', [], 200], ['HEAD', [], 200], ['OPTIONS', [], 200],
    ['POST', [['Sec-Fetch-Site', 'same-origin']], 200], ['POST', [['Sec-Fetch-Site', 'same-site']], 403], ['POST', [['Sec-Fetch-Site', 'cross-site']], 403],
    ['POST', [['Sec-Fetch-Site', 'cross-site'], ['Origin', $root]], 403], ['POST', [['Sec-Fetch-Site', 'x']], 403], ['POST', [['Sec-Fetch-Site', 'none']], 403], ['GET', [['Sec-Fetch-Site', 'none']], 200],
    ['POST', [['Origin', $root]], 200], ['POST', [['Origin', 'http://evil.test']], 403], ['POST', [['Origin', 'null']], 403],
    ['POST', [['Origin', "$root.evil.test"]], 403], ['POST', [['Origin', $root =~ s/:\d+$//r]], 403], ['POST', [['Origin', 'http://evil.test'], ['Referer', "$root/x"]], 403],
    ['GET', [['Upgrade', 'websocket'], ['Origin', $root]], 200], ['GET', [['Upgrade', 'websocket'], ['Origin', 'http://evil.test']], 403],
    ['GET', [['Upgrade', 'websocket'], ['Sec-Fetch-Site', 'same-site']], 403], ['GET', [['Upgrade', 'websocket']], 200],
    ['POST', [['Referer', "$root/x"]], 200], ['POST', [['Referer', "http://evil.test/$root"]], 403], ['POST', [['Referer', '']], 403],
) {
    my ($method, $headers, $status) = @$case;
    my $name = "$method " . join ' ', map { "$_->[0]: $_->[1]" } @$headers;
    my $answer = ask('/cookie', [$front, $back], method => $method, headers => $headers);
    is($answer->status, $status, "$name: $status");
    next if $status != 403;
    is(($answer->json || {})->{error}, 'cross_origin', 'says why');
    unlike($answer->body, qr/REMOTE_USER/, 'nothing is done');
    expect_log('SSO1134', $name);
}
is(ask('/hmac', [], method => 'POST', headers => [['Authorization', "Bearer $jwt"], ['Origin', 'http://evil.test']])->status, 200,
    'a header is nothing that a browser sends by itself');
is_refused(ask('/hmac', [halves(lms_token(fault => { name => 'exp-past' }), 'stage-')], headers => [['Authorization', 'Bearer a.b.c']]), 401, 'invalid_token',
    'jwt-cookie bearer: cookies that do not count, then a token, which is final');

done_testing();
