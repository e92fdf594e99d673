# SPDX-License-Identifier: Apache-2.0
# Signing out at Microsoft Entra, and its frames: a GET with a sid and nothing else, no cookie, no iss; the sid is a claim,
# or, where the application has not asked for that, what came as session_state.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Browser;
use EdxSSO::SignIn;

my $ROOT = vhost('entra');
allow_log('SSO0564', 'SSO0680', 'SSO0687', 'SSO1077');
entra_reset([qw(single groups)], qw(one guid));

sub come {
    my ($provider) = @_;
    my $browser = browser('entra');
    entra(user => { default => 'adele' });
    my $answer = $browser->follow($browser->get("/edxsso/login?provider=$provider&next=/app"));
    is($answer->status, 200, "signed in by $provider") or diag($answer->body);
    return $browser;
}
sub is_in { my ($browser, $in, $why) = @_; return is($browser->clone->get('/app')->status, $in ? 200 : 302, $why) }
sub claims_of { return $_[0]->get('/edxsso/session', as => 'fetch')->json->{claims} }

my %app = (one => 'groups', guid => 'single'); # groups has the optional claims
for my $provider (qw(one guid)) {
    my ($browser, $other) = map { come($provider) } 1 .. 2;
    my $claims = claims_of($browser);
    is(defined $claims->{sid} ? 1 : 0, $provider eq 'one' ? 1 : 0, "$provider: sid as a claim, or not");
    entra(apps => { name => $app{$provider}, logout_url => "$ROOT/edxsso/frontchannel-logout/$provider" });
    my @sessions = @{ entra('state')->{sessions} };
    is(scalar @sessions, 2, "$provider: two sessions at Entra");
    my $called = entra("frontchannel?sid=$sessions[0]{sid}");
    my ($back) = ref $called eq 'ARRAY' ? @$called : @{ $called->{calls} // [$called] };
    is($back->{status}, 200, "$provider: the frame gets 200") or diag(explain($called));
    is($back->{body}, '', "$provider: and nothing in it");
    my @in = map { $_->clone->get('/app')->status } $browser, $other;
    is(join(' ', sort @in), '200 302', "$provider: one of two browsers is signed out");
    my $left = $in[0] == 200 ? $browser : $other;
    my $answer = $left->get('/edxsso/logout');
    my %asked = EdxSSO::Browser::query($answer->header('Location'));
    like($answer->header('Location'), qr{/oauth2/v2\.0/logout\?}, "$provider: logout goes to Entra");
    is(defined $asked{logout_hint} ? 1 : 0, $provider eq 'one' ? 1 : 0, "$provider: logout_hint, where there is the claim login_hint");
    is($asked{logout_hint}, $claims->{login_hint}, "$provider: which it is") if $provider eq 'one';
    is($asked{post_logout_redirect_uri}, "$ROOT/", "$provider: and where back");
    is_in($left, 0, "$provider: signed out");
    entra(end => { what => ['sessions'] });
}
is(browser('entra')->get('/edxsso/frontchannel-logout/one?sid=nobody', as => 'frame', cross_site => 1)->status, 200, 'a sid of nobody');
done_testing();
