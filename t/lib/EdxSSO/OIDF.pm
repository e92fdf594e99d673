# SPDX-License-Identifier: Apache-2.0
package EdxSSO::OIDF;
# The OpenID Foundation's tests of relying parties, at the generic stand-in: one subtest a module, named
# by it. What a module's provider does otherwise is `before`, a sub; the sign-in is at section `at`.
#
#   passes('oidcc-client-test', at => 'basic');                  # jane is signed in
#   refuses('oidcc-client-test-nonce-invalid', at => 'basic', before => sub { oidc(fault => ...) },
#       status => 400, log => 'SSO0475', calls => { token => 1 });
#
# calls: what the provider has to have seen but documents, and nothing else (token => 1, userinfo => 1 after a
# success, token => 1 else). More of passes(): seen => { EDXSSO_... => value or pattern }, after => a sub given
# the browser, what the app saw, and the answer. start: the address of the sign-in.
use strict;
use warnings;
use Exporter 'import';
use Test::More ();
use EdxSSO::Browser;
use EdxSSO::Log;
use EdxSSO::SignIn;
our @EXPORT = qw(passes refuses home come_back post_form calls_of queries_of last_call mint asked_for);

my ($base, @providers);
my %PATHS = (authorize => '/authorize', token => '/token', userinfo => '/userinfo', jwks => '/jwks',
    discovery => '/.well-known/openid-configuration', par => '/par', logout => '/logout');

# Where httpd is, and the sections that there are.
sub home { ($base, @providers) = @_; return oidc_reset(@providers) }

sub calls_of { return oidc("requests?endpoint=$PATHS{$_[0]}&last=1")->{count} }
sub queries_of { return map { $_->{raw_query} } @{ oidc("requests?endpoint=$PATHS{$_[0]}")->{requests} } }
sub last_call { return oidc("requests?endpoint=$PATHS{$_[0]}&last=1")->{requests}[-1] }
sub mint { return oidc(mint => { @_ })->{token} }

# A page that posts a form by itself, as response_mode=form_post has it: from the provider's site.
sub post_form {
    my ($browser, $answer, %option) = @_;
    my ($action) = $answer->body =~ /<form method="post"[^>]* action="([^"]+)"/i or return $answer;
    my @fields = map { s/&quot;/"/gr =~ s/&#x27;/'/gr =~ s/&lt;/</gr =~ s/&gt;/>/gr =~ s/&amp;/&/gr }
        $answer->body =~ /<input type="hidden" name="([^"]*)" value="([^"]*)"/g;
    return $browser->post($action =~ s/&amp;/&/gr =~ s{^https://localhost(?::\d+)?(?=/)}{$base}r, \@fields, cross_site => 1, %option);
}

# From an address to the end, by whatever way the provider answers; headers go along to our site alone.
sub come_back {
    my ($browser, $start) = @_;
    my @headers = @{ $browser->{own_headers} || [] };
    my $own = qr{^(?:\Q$base\E|https://localhost(?::\d+)?)(?=/)};
    my $answer = $browser->get($start, headers => \@headers);
    for (1 .. 10) {
        my $to = $answer->location;
        my $posted = !defined $to && $answer->status == 200 && $answer->body =~ /<form method="post"[^>]* action="http\S+localhost/i;
        return $answer unless defined $to || $posted;
        my $ours = $posted || $to =~ s/$own/$base/; # https is what a proxy speaks that is not there
        $answer = $posted ? post_form($browser, $answer, headers => \@headers)
            : $browser->get($to, headers => $ours ? \@headers : [],
                cross_site => EdxSSO::Browser::origin($to) ne EdxSSO::Browser::origin($answer->url));
    }
    return $answer;
}

sub _begin {
    my (%how) = @_;
    oidc_reset(@providers);
    oidc(user => { default => 'jane' });
    oidc(config => { jwks_alg => \0 });
    $how{before}->() if $how{before};
    oidc(forget => {});
    my $browser = EdxSSO::Browser->new(base => $base, own_headers => $how{headers});
    my $answer = come_back($browser, $how{start} // "/edxsso/login?provider=$how{at}&next=/app%3Fx%3D%2520%26y");
    return ($browser, $answer);
}

# What the provider has seen besides documents, which httpd may fetch at any time: path => how often
sub asked_for {
    my %seen = %{ oidc('requests')->{counts} };
    delete @seen{ @PATHS{qw(jwks discovery)} };
    return \%seen;
}

# Exactly that.
sub _calls_are {
    my (%calls) = @_;
    my %seen = %{ asked_for() };
    delete $seen{ $PATHS{authorize} } unless exists $calls{authorize};
    my %want = map { ($PATHS{$_} => $calls{$_}) } grep { $calls{$_} } keys %calls;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::is_deeply(\%seen, \%want, 'the provider was asked for this and nothing else');
    return;
}

sub passes {
    my ($module, %how) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::subtest($module => sub {
        my ($browser, $answer) = _begin(%how);
        Test::More::is($answer->status, 200, 'signed in') or Test::More::diag($answer->body);
        allow_log('SSO0564');
        my %seen = $answer->body =~ /^(\w+)=(.*)$/mg;
        Test::More::like($seen{REMOTE_USER} // '', qr/^248289761\d{3}\@127\.0\.0\.1$/, 'the user is sub@host');
        Test::More::is($seen{QUERY_STRING}, 'x=%20&y', 'at the address as it was') unless $how{start};
        for my $name (sort keys %{ $how{seen} || {} }) {
            my $want = $how{seen}{$name};
            ref $want ? Test::More::like($seen{$name} // '', $want, $name)
                : Test::More::is($seen{$name}, $want, $name);
        }
        _calls_are(%{ $how{calls} || { token => 1, userinfo => 1 } });
        $how{after}->($browser, \%seen, $answer) if $how{after};
    });
}

sub refuses {
    my ($module, %how) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::subtest($module => sub {
        my ($browser, $answer) = _begin(%how);
        refusal($answer, map { $_ => $how{$_} } grep { exists $how{$_} } qw(status log says retry_after not));
        _calls_are(%{ $how{calls} || { token => 1 } });
        $how{after}->($browser, $answer) if $how{after};
        my $again = $browser->get('/app', headers => $how{headers} || []);
        Test::More::ok($again->status == 302 && $again->body !~ /REMOTE_USER/, 'not signed in afterwards');
        my $session = $browser->get('/edxsso/session', as => 'fetch', headers => $how{headers} || []);
        Test::More::is($session->status, 401, 'and without a session');
        expect_log('SSO0687');
    });
}

1;
