# SPDX-License-Identifier: Apache-2.0
# The sign-in page remembers which provider was used last: its button comes first. And what that cookie
# cannot do.
use strict;
use warnings;
use EdxSSO::OIDF;
use EdxSSO::SignIn;
use EdxSSO::Test;

home(vhost('oidf'), qw(basic post quiet));
oidc(user => { default => 'jane' });
allow_log('SSO0564');
my $PAGE = '/edxsso/login?next=/app';
sub buttons { return $_[0]->body =~ m{<a [^>]*href="[^"]*[?&;]provider=(\w+)&amp;}g }
sub marked { return $_[0]->body =~ m{<a [^>]*href="[^"]*provider=(\w+)&amp;[^>]*>(?:(?!</a>).)*last used}si ? $1 : undef }

my $browser = browser('oidf');
my $first = $browser->get($PAGE);
my @order = buttons($first);
cmp_ok(scalar @order, '>', 5, 'a button each') or diag($first->body);
is(marked($first), undef, 'none is marked');
is(scalar $first->all('Set-Cookie'), 0, 'looking at the page sets no cookie');

my $answer = come_back($browser, '/edxsso/login?provider=post&next=/app');
is($answer->status, 200, 'signed in') or diag($answer->body);
unlike($answer->body, qr/^HTTP_COOKIE=.*(?:edxsso|choice)/m, 'the app does not see the cookie');
my $cookie = $browser->cookie('edxsso_choice');
is($cookie->{value}, 'post', "it holds the provider's name and nothing else");
like($cookie->{line}, qr/;\s*HttpOnly/i, 'HttpOnly');
is($cookie->{same_site}, 'lax', 'SameSite');
like($cookie->{line}, qr/Max-Age=15552000/i, 'for 180 days');
my $page = $browser->get($PAGE);
is(join(' ', buttons($page)), join(' ', 'post', grep { $_ ne 'post' } @order), 'its button comes first, once; the others as they were');
is(marked($page), 'post', 'and is marked');
unlike($page->body, qr/<script|onclick|jane/i, 'without JavaScript, and without a word about the user');
is(marked($browser->get("$PAGE&provider=basic,quiet")), undef, 'not where it is not accepted');
is(join(' ', buttons($browser->get("$PAGE&provider=basic,post"))), 'post basic', 'where it is, it comes first');

$browser->get('/edxsso/logout?next=/');
is(marked($browser->get($PAGE)), 'post', 'it outlives signing out');
come_back($browser, '/edxsso/login?provider=quiet&next=/app');
is(marked($browser->get($PAGE)), 'quiet', 'another one takes its place');

# ---- a sign-in that came to nothing is no choice
oidc(fault => { name => 'nonce-wrong' });
my $other = browser('oidf');
refusal(come_back($other, '/edxsso/login?provider=basic&next=/app'), status => 400, log => 'SSO0475');
ok(!$other->cookie('edxsso_choice'), 'a refused sign-in is not remembered');

# ---- whatever else it holds counts as none
for my $value ('nobody', '', 'POST', 'post%20', '../post', '"><script>alert(1)</script>', 'post post', 'x' x 4000, "\xff\xfe") {
    my $got = browser('oidf')->get($PAGE, headers => [['Cookie', "edxsso_choice=$value"]]);
    is($got->status, 200, 'a page') or next;
    is(join(' ', buttons($got)), join(' ', @order), 'as without: ' . substr $value =~ s/[^\x20-\x7e]/?/gr, 0, 40);
    unlike($got->body, qr/script>alert|nobody/, 'and nothing of it is in the page');
}
is(marked(browser('oidf')->get($PAGE, headers => [['Cookie', 'edxsso_choice=post; edxsso_choice=basic']])), undef, 'two different ones: neither');

# ---- it decides nothing
my $place = browser('oidf')->get('/app', headers => [['Cookie', 'edxsso_choice=post']]);
like($place->location // '', qr{/edxsso/login\?next=}, 'nobody is sent to a provider because of it');
$answer = come_back(browser('oidf_init'), '/app');
is($answer->status, 200, 'with one provider signed in');
my $single = browser('oidf_init');
$single->get('/edxsso/login?provider=init&next=/app');
ok(!(grep { $_->{name} =~ /choice/ } $single->cookies), 'nothing is remembered before a sign-in is over');
my $seen = browser('oidf')->get('/app/x', headers => [['Cookie', 'a=1; edxsso_choice=post; b=2; __Host-edxsso_choice=basic']]);
is($seen->status, 302, 'a place is as closed as before');
done_testing();
