# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Pair;
# Two httpds of one site: the same secret, name and Redis (where there is none: one httpd with its own memory), and
# the stand-in OpenID provider `op` beside the LMS `lms`; both have /app for those who are signed in.
#
#   my $pair = EdxSSO::Pair->start(provider => "lines of op's section", server => '...', more => '...');
#   my $browser = $pair->enter;                    # signed in through op; enter('lms'): through the LMS
#   $pair->alive(cookie_of($browser));             # at how many of the httpds
#   $pair->count;                                  # how many httpds there are
#   op(backchannel => { ... });                    # the control API of op; without a second value a GET
use strict;
use warnings;
use Exporter 'import';
use JSON::PP ();
use EdxSSO::Browser;
use EdxSSO::Redis;
use EdxSSO::Servers;
use EdxSSO::Site qw(site);
our @EXPORT = qw(op);

my ($servers, $op_root, @uris);

sub op {
    my ($what, $given) = @_;
    my $caller = EdxSSO::Browser->new(base => $op_root, as => 'plain');
    my $answer = defined $given
        ? $caller->request(POST => "/_ctl/$what", body => JSON::PP->new->utf8->encode($given),
            headers => [['Content-Type', 'application/json']])
        : $caller->get("/_ctl/$what");
    die "stand-in provider: $what: " . $answer->status . ' ' . $answer->body . "\n" if $answer->status != 200;
    return $answer->json;
}

sub start {
    my ($class, %option) = @_;
    $servers ||= EdxSSO::Servers->new;
    $op_root ||= $servers->start('/usr/bin/python3', 't/idp/oidc.py');
    op(reset => {}) if !@uris;
    op(user => { default => 'jane' });
    my $redis = $option{without_redis} ? undef : EdxSSO::Redis->new;
    $redis->start if $redis;
    my $server = ($redis ? 'EdxSSOStore "' . $redis->url . "\"\n" : '') . ($option{server} // '')
        . "EdxSSOSecret \"a secret that both of these httpds know, of some length\"\n"
        . "<EdxSSOProvider op oidc>\nEdxSSOIssuer $op_root\nEdxSSOClientID rp\n"
        . "EdxSSOClientSecret rp-secret-of-at-least-thirty-two-bytes\nEdxSSOAlgorithms RS256\n"
        . ($option{provider} // '') . "</EdxSSOProvider>\n";
    my @httpd = site(server => $server, more => $option{more});
    push @httpd, site(server => $server, more => ($option{more} // '') . 'ServerName localhost:' . $httpd[0]->port . "\n")
        if $redis;
    push @uris, 'http://localhost:' . $httpd[0]->port . '/edxsso/callback/op';
    op(clients => { client_id => 'rp', redirect_uris => \@uris });
    $_->start for @httpd;
    return bless { httpd => \@httpd, redis => $redis }, $class;
}

sub count { return scalar @{ $_[0]{httpd} } }
sub httpd { return $_[0]{httpd}[$_[1] // 0] }
sub root { return 'http://localhost:' . $_[0]->httpd->port }
sub op_root { return $op_root }

# Signed in by a provider's link; dies if that does not work. 503, here and below: Redis or the provider has not got round
# to it, and neither yes nor no is said.
sub enter {
    my ($self, $provider) = @_;
    my ($browser, $answer);
    $self->httpd->wait_until(sub {
        $browser = EdxSSO::Browser->new(base => $self->root);
        $answer = $browser->follow($browser->get('/edxsso/login?next=/app/index.txt&provider=' . ($provider // 'op')));
        return $answer->status != 503;
    });
    die "no sign-in: " . $answer->status . "\n" . $answer->body . $self->httpd->log_text if $answer->status != 200;
    return $browser;
}

sub alive {
    my ($self, $cookie) = @_;
    my $count = 0;
    for my $httpd (@{ $self->{httpd} }) {
        my $answer;
        $httpd->wait_until(sub {
            $answer = EdxSSO::Browser->new(base => $httpd->url)->get('/app/index.txt', headers => [['Cookie', $cookie]]);
            return $answer->status != 503;
        });
        $count++ if $answer->status == 200 && length($answer->header('X-User') // '');
    }
    return $count;
}
1;
