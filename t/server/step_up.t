# SPDX-License-Identifier: Apache-2.0
# EdxSSOStepUp: a session of another acr signs in again; a provider that does not bring it ends in a page, not a loop.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Pair;
use EdxSSO::SignIn;
use EdxSSO::Site;
alone();

own_lms();
lms_reset();
my $pair = EdxSSO::Pair->start(without_redis => 1, provider => "EdxSSOPAR off\n", more => <<'END');
Alias /grades @DIR@/htdocs/app
Alias /exams @DIR@/htdocs/app
Alias /api @DIR@/htdocs/app
Alias /hall @DIR@/htdocs/app
<Location /grades>
    AuthType edxsso
    EdxSSOUse op
    EdxSSOStepUp gold phr
    Require valid-user
    Header set X-User "expr=%{REMOTE_USER}"
</Location>
<Location /exams>
    AuthType edxsso
    EdxSSOStepUp phrh
    Require valid-user
</Location>
<Location /api>
    AuthType edxsso
    EdxSSOUse op
    EdxSSOUnauthenticated 401
    EdxSSOStepUp gold
    Require valid-user
</Location>
<Location /hall>
    AuthType edxsso
    EdxSSOUnauthenticated pass
    EdxSSOStepUp gold
    Require all granted
    Header set X-User "expr=%{REMOTE_USER}"
</Location>
END
my $httpd = $pair->httpd;
sub asked { return EdxSSO::Browser::query($_[0]->header('Location') // '') }

# ---- nobody is signed in: asked for at once
op(config => { acr => 'asked' });
{
    my $browser = EdxSSO::Browser->new(base => $pair->root);
    my $answer = $browser->get('/grades/index.txt?a=b');
    my %asked = asked($answer);
    is($asked{acr_values}, 'gold phr', 'acr_values of an authorization request');
    $answer = $browser->follow($answer);
    is($answer->status, 200, 'signed in as asked');
    is($browser->get('/grades/index.txt')->status, 200, 'and again');
    is($browser->get('/app/index.txt')->status, 200, 'other places do not mind');
    is($browser->get('/hall/index.txt')->header('X-User'), '248289761414@127.0.0.1', 'where nobody has to be signed in');
}

# ---- a session of another kind
{
    my $browser = $pair->enter; # asks for nothing: acr 0
    my $answer = $browser->get('/grades/index.txt');
    is($answer->status, 302, 'a weaker session signs in again');
    like($answer->header('Location'), qr/acr_values=gold%20phr|acr_values=gold\+phr/, 'with acr_values');
    is($browser->follow($answer)->status, 200, 'and is let in');
    my $both = $browser->get('/exams/index.txt');
    is($both->status, 302, 'another kind: again');
    like($both->header('Location'), qr{/edxsso/login\?}, 'with several providers: the page to choose');
    $both = $browser->follow($both);
    my ($link) = grep { /provider=op/ } $both->body =~ /href="([^"]+)"/g;
    $link =~ s/&amp;/&/g;
    like($link, qr/acr_values=phrh/, 'whose links bring along what is asked for');
    is($browser->follow($browser->get($link))->status, 200, 'signed in by it');
}

# ---- scripts
{
    my $browser = $pair->enter;
    for my $path (qw(/grades/index.txt /api/index.txt)) {
        my $answer = $browser->get($path, as => 'fetch');
        is($answer->status, 401, "$path: a script gets 401");
        like($answer->header('WWW-Authenticate'), qr/^Bearer realm="[^"]+", error="insufficient_user_authentication", error_description="[^"]+", acr_values="gold(?: phr)?"/, 'RFC 9470');
        is($answer->json->{error}, 'insufficient_user_authentication', 'in JSON too');
    }
    is($browser->get('/api/index.txt')->status, 401, 'EdxSSOUnauthenticated 401: a page too');
    is($browser->get('/hall/index.txt')->header('X-User') || '', '', 'EdxSSOUnauthenticated pass: as nobody');
    my $nobody = EdxSSO::Browser->new(base => $pair->root)->get('/api/index.txt', as => 'fetch');
    unlike($nobody->header('WWW-Authenticate'), qr/insufficient/, 'who is not signed in at all has made no such error');
}

# ---- the provider does not bring it
op(config => { acr => 'bronze' });
for my $start ('a session of another kind', 'nobody') {
    my $browser = $start eq 'nobody' ? EdxSSO::Browser->new(base => $pair->root) : $pair->enter;
    my $cookie = $start eq 'nobody' ? undef : cookie_of($browser);
    my $answer = $browser->follow($browser->get('/grades/index.txt'));
    is($answer->status, 403, "$start: 403");
    like($answer->body, qr/another way/, 'a page that says so');
    like($answer->body, qr{href="[^"]*/edxsso/login\?}, 'with a link to try again');
    unlike($answer->body, qr/bronze|this is app/, 'and without what it is none of');
    is(cookie_of($browser), $cookie, 'the session that was there stays') if $cookie;
    is($pair->alive($cookie), 1, 'and lives') if $cookie;
    ok(!$browser->cookie('edxsso'), 'nobody is signed in') if !$cookie;
}
like($httpd->log_text, qr/SSO1083: callback: op: the sign-in was to be one of 'gold phr', and is 'bronze'/, 'the log says why');

# ---- acr that is no text, or nearly one
for my $acr ('gol', 'goldx', 'Gold', 'x gold', '"gold"', 'gold phr') {
    op(config => { acr => $acr });
    my $browser = EdxSSO::Browser->new(base => $pair->root);
    is($browser->follow($browser->get('/grades/index.txt'))->status, 403, "acr '$acr' is another one");
}
op(config => { acr => undef });
for my $claims ({ acr => 1 }, { acr => undef }, { acr => ['x"gold"'] }, { acrs => ['silver'] }, { acrs => { gold => 1 } }) {
    op(config => { claims_add => $claims });
    my $browser = EdxSSO::Browser->new(base => $pair->root);
    is($browser->follow($browser->get('/grades/index.txt'))->status, 403, JSON::PP->new->canonical->encode($claims) . ' is none of them');
}
op(config => { claims_add => { acrs => ['c1', 'gold'] } });
{
    my $browser = EdxSSO::Browser->new(base => $pair->root);
    is($browser->follow($browser->get('/grades/index.txt'))->status, 200, 'acrs, as Entra has it: one of them');
}
op(config => { claims_add => {} });

# ---- what the login URL takes
for my $bad ("a%0Ab", '%22x', 'x' x 2000, "a&acr_values=b") {
    is(EdxSSO::Browser->new(base => $pair->root)->get("/edxsso/login?provider=op&acr_values=$bad")->status, 400, 'acr_values=' . substr $bad, 0, 20);
}
done_testing();
