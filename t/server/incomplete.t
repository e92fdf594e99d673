# SPDX-License-Identifier: Apache-2.0
# Sign-ins that lack something: the built-in page; a form that completes them, and what its ticket is good for; the
# user name by a regular expression; claims that change from one sign-in to the next.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Browser;
use EdxSSO::SignIn;
use EdxSSO::Visitor qw(enter visitor);
use JSON::PP ();

my @PROVIDERS = qw(entra form short needs);
allow_log(qw(SSO0145 SSO0353 SSO0354), 'SSO0564', 'SSO0680');

sub at_form { return ($_[0]->location // '') =~ m{^https://campus|/register\?} }

sub sign_in {
    my ($provider, $browser, %claims) = @_;
    entra(user => { default => 'adele' });
    entra(fault => { claims => \%claims }) if %claims;
    return $browser->follow($browser->get("/edxsso/login?provider=$provider&next=/app/x"), while => sub { !at_form($_[0]) });
}
sub complete { return "/edxsso/complete?ticket=$_[0]" }
sub text_of { (my $text = $_[0]->body) =~ s/<[^>]*>//g; return $text }
sub form_of { my %form = EdxSSO::Browser::query($_[0]->location); return \%form }

lms_reset();
lms(links => { provider => 'saml-form', links => [] });
entra(reset => {});
entra(apps => { name => 'groups', redirect_uris => [map { "http://localhost/edxsso/callback/$_" } @PROVIDERS] });

# ---- the built-in page
{
    my $browser = browser('idmap');
    my $answer = sign_in(short => $browser);
    is($answer->status, 403, 'a claim is missing: 403');
    like(text_of($answer), qr/What is missing: department\./, 'the page names it, and what is there it does not');
    like($answer->body, qr/ask the people who look after your account/, 'and whom to ask');
    my ($href) = $answer->body =~ m{<a href="([^"]+)">Use another account</a>};
    like($href // '', qr/login\?provider=short.*prompt=select_account/, 'and offers another account');
    unlike($answer->body, qr/adele/, 'it says nothing of the user');
    expect_log('SSO0604', 'missing');
    isnt($browser->get('/app')->status, 200, 'nobody is signed in');
    $answer = sign_in(short => browser('idmap'), email => '', department => undef);
    like(text_of($answer), qr/What is missing: department, email\./, 'all that is missing, empty or null');
    expect_log('SSO0604', 'missing');
    $answer = sign_in(short => $browser, department => 'Retail');
    like($answer->body, qr/^REMOTE_USER=adele$/m, 'complete: signed in, by the part of the UPN that matches');
    for my $upn ('adele@contoso.com.evil', "adele\@contoso.com\n", 'x@adele@contoso.com', 'ADELE@CONTOSO.COM', '@contoso.com',
        'a' x 2000 . '@contoso.com', ['adele@contoso.com']) {
        $answer = sign_in(short => browser('idmap'), department => 'Retail', upn => $upn);
        like($answer->status, qr/^40[03]$/, 'a UPN that does not match');
    }
    allow_log(qw(SSO1250 SSO0602 SSO0603));
    is(scalar(() = log_lines(qr/SSO1250/)), 5, 'each with its line');
}

# ---- EdxSSOIncompleteURL
{
    my $browser = browser('idmap');
    my $answer = sign_in(needs => $browser, nickname => undef);
    is($answer->status, 302, 'to the form');
    my $form = form_of($answer);
    like($answer->location, qr{^https://campus\.example/complete-me\?x=1&provider=needs&missing=nickname&next=},
        'which is told what is missing');
    is($form->{next}, vhost('idmap') . '/app/x', 'and where they were going');
    ok(!(grep { /^edxsso=/ } $answer->all('Set-Cookie')), 'nobody is signed in');
    expect_log('SSO1230', 'sent to the form');
    unlike($answer->location, qr/adele|contoso/, 'nothing of the user is in the URL');

    my %started = EdxSSO::Browser::query($browser->get('/edxsso/login?provider=needs')->location);
    for my $case (['another browser', browser('idmap'), $form->{ticket}, 'SSO0554'],
        ['a ticket that was changed', $browser, $form->{ticket} =~ s/^(.)/$1 eq 'A' ? 'B' : 'A'/er, 'SSO0\d+'],
        ['a state is no ticket', $browser, $started{state}, 'SSO0\d+'],
        ['none', $browser, '', 'SSO1235'], ['two', $browser, "$form->{ticket}&ticket=$form->{ticket}", 'SSO1235'],
        ['long', $browser, 'A' x 7000, 'SSO0\d+']) {
        my ($why, $who, $ticket, $number) = @$case;
        my $refused = $who->get(complete($ticket));
        is($refused->status, 400, "refused: $why") or diag($refused->location // '');
        my ($found) = (log_lines(qr/complete: .*error id/))[-1] =~ /(SSO\d{4}):/;
        like($found, qr/^$number$/, 'for that reason');
        allow_log($found);
    }
    is($browser->post('/edxsso/complete', { })->status, 400, 'a form without one');

    # what the form says of the user is not believed; what the provider says now is
    entra(fault => { claims => { nickname => 'Ady' } });
    my $back = $browser->get(complete($form->{ticket}) . '&nickname=Evil&email=evil%40evil.example&next=https://evil.example');
    is($back->status, 302, 'the ticket starts the sign-in again');
    like($back->location, qr/^\Q$ENV{ENTRA_ROOT}\E/, 'at the provider');
    $answer = $browser->follow($back);
    is($answer->status, 200, 'which completes it') or diag($answer->body);
    like($answer->url, qr{/app/x$}, 'at the address it began with');
    like($answer->body, qr/^EDXSSO_CLAIM_nickname=Ady$/m, 'the claim');
    like($answer->body, qr/^REMOTE_USER=adele$/m, 'what the pattern found is replaced, in any case of letters');
    unlike($answer->body, qr/[Ee]vil/, 'and nothing that came with the ticket');
    is($browser->get(complete($form->{ticket}))->status, 400, 'a ticket works once');
    expect_log('SSO1236', 'once');
}

# ---- a form that sends back what is still incomplete: no circle
{
    my $browser = browser('idmap');
    my ($answer, $rounds) = (sign_in(needs => $browser), 0);
    while (at_form($answer) && $rounds < 10) {
        $rounds++;
        $answer = $browser->follow($browser->post('/edxsso/complete', { ticket => form_of($answer)->{ticket} }),
            while => sub { !at_form($_[0]) });
    }
    is($rounds, 3, 'three rounds');
    is($answer->status, 403, 'and then the page');
    expect_log('SSO0604', 'the page');
    expect_log('SSO1230', 'the rounds', times => 3);
}

# ---- the ID mapping: no entry yet, and then one, although the empty answer is kept for an hour
{
    my $browser = browser('idmap');
    my $answer = sign_in(form => $browser);
    like($answer->location, qr{^http://localhost:\d+/register\?from=site&provider=form&missing=idmapping&next=}, 'to a form here');
    expect_log('SSO1230', 'no entry');
    lms(links => { provider => 'saml-form', links => [['alice', 'adele@contoso.com']] });
    $answer = $browser->follow($browser->get(complete(form_of($answer)->{ticket})));
    like($answer->body, qr/^REMOTE_USER=alice$/m, 'the entry counts at once') or diag($answer->status, $answer->body);
    my ($id) = map { $_->{value} } $browser->cookie('edxsso');

    # another account: another session, and the old one ends
    lms(links => { provider => 'saml-form', links => [['alice', 'adele@contoso.com'], ['bob', 'zoe@contoso.com']] });
    entra(user => { default => 'zoe' });
    $answer = $browser->follow($browser->get('/edxsso/login?provider=form&next=/app&login_hint=zoe'));
    like($answer->body, qr/^REMOTE_USER=bob$/m, 'another account');
    my ($new) = map { $_->{value} } $browser->cookie('edxsso');
    isnt($new, $id, 'has another session');
    isnt(browser('idmap')->get('/app', headers => [['Cookie', "edxsso=$id"]])->status, 200, 'and the old one has ended');
}

# ---- what changes at the provider is there at the next sign-in; rights are never made of texts
{
    my $browser = visitor('main', '/studio', user => 'alice');
    like($browser->get('/studio')->body, qr/^EDXSSO_EMAIL=alice\@example\.com$/m, 'an address');
    lms(users => { username => 'alice', email => 'alice@new.example' });
    like($browser->get('/studio')->body, qr/^EDXSSO_EMAIL=alice\@example\.com$/m, 'is the same within a session');
    my ($old) = map { $_->{value} } $browser->cookie('edxsso');
    my $answer = enter($browser, '/edxsso/login?next=/studio', user => 'alice');
    like($answer->body, qr/^EDXSSO_EMAIL=alice\@new\.example$/m, 'and another one at the next sign-in');
    isnt((map { $_->{value} } $browser->cookie('edxsso'))[0], $old, 'which has its own session');
    for my $given ('true', 'True', 1, 'yes', ['true'], {}) {
        $answer = visitor('main', '/studio', claims => { administrator => $given, superuser => $given })->get('/studio');
        unlike($answer->body, qr/(administrator|superuser)/i, 'staff by ' . JSON::PP->new->allow_nonref->encode($given) . ': no');
    }
    allow_log('SSO1251');
    $answer = visitor('main', '/studio', user => 'admin')->get('/studio');
    like($answer->body, qr/^EDXSSO_CLAIM_administrator=true$/m, 'by true: yes');
}

no_secrets();
done_testing();
