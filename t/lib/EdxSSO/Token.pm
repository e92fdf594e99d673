# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Token;
# Programs that bring their own token: tokens of the stand-ins, requests with them, and what an answer by
# RFC 6750 has to look like.
#
#   my $jwt = lms_token(user => 'zoe', fault => { name => 'exp-past' });
#   my $answer = program($vhost, '/api', token => $jwt, scheme => 'JWT');
#   is_refused($answer, 401, 'invalid_token', 'expired');
use strict;
use warnings;
use Exporter 'import';
use JSON::PP ();
use Test::More ();
use EdxSSO::Browser;
use EdxSSO::SignIn qw(lms lms_reset lms_calls default_user without_id);
use EdxSSO::Test ();
our @EXPORT = qw(lms lms_reset lms_calls default_user entra lms_token lms_opaque program is_refused seen challenge);

sub entra {
    my ($what, $given) = @_;
    my $caller = EdxSSO::Browser->new(base => $ENV{ENTRA_ROOT}, as => 'plain');
    my $answer = $caller->request(POST => "/_ctl/$what", body => JSON::PP->new->encode($given),
        headers => [['Content-Type', 'application/json']]);
    die "stand-in Entra: $what: " . $answer->status . ' ' . $answer->body . "\n" if $answer->status != 200;
    return $answer->json;
}

sub lms_token { my (%how) = @_; return lms(mint => \%how)->{token} }

# An opaque token, by the password grant.
sub lms_opaque {
    my ($user, $scope) = @_;
    my $caller = EdxSSO::Browser->new(base => $ENV{LMS_ROOT}, as => 'plain');
    my $answer = $caller->request(POST => '/oauth2/access_token', body => "grant_type=password&username=$user"
            . "&password=$user&client_id=password-app&client_secret=password-secret" . ($scope ? "&scope=$scope" : ''),
        headers => [['Content-Type', 'application/x-www-form-urlencoded']]);
    die 'stand-in LMS: ' . $answer->status . ' ' . $answer->body . "\n" if $answer->status != 200;
    return $answer->json->{access_token};
}

sub program {
    my ($vhost, $path, %how) = @_;
    my @headers = @{ delete $how{headers} || [] };
    my ($token, $scheme) = (delete $how{token}, delete $how{scheme} // 'Bearer');
    push @headers, ['Authorization', "$scheme $token"] if defined $token;
    return EdxSSO::Test::browser($vhost)->request(delete $how{method} // 'GET', $path, as => 'plain', %how,
        headers => \@headers);
}

# What the app saw of the user.
sub seen { return { $_[0]->body =~ /^(\w+)=(.*)$/mg } }

# The Bearer challenge, in parts.
sub challenge {
    my ($answer) = @_;
    my ($text, @more) = grep { /^Bearer\b/ } $answer->all('WWW-Authenticate');
    return if !defined $text || @more;
    my %part;
    $text =~ s/^Bearer //;
    while ($text =~ s/^([\w-]+)="([^"\\]*)"(?:, |$)//) {
        return if exists $part{$1};
        $part{$1} = $2;
    }
    return length $text ? undef : \%part;
}

sub is_refused {
    my ($answer, $status, $code, $why, %more) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::subtest($why => sub {
        Test::More::is($answer->status, $status, 'status') or Test::More::diag(substr $answer->body, 0, 300);
        my ($origin) = $answer->url =~ m{^(http://[^/]+)};
        my %want = (realm => $origin, %more);
        if ($code ne 'login_required') {
            $want{error} = $code;
            $want{error_description} = ($answer->json || {})->{message};
        }
        Test::More::is_deeply(challenge($answer), \%want, 'WWW-Authenticate');
        my $json = $answer->json || {};
        Test::More::is($json->{error}, $code, 'error');
        Test::More::is(join(' ', sort keys %$json), 'error error_id message', 'the body');
        Test::More::like($answer->header('Content-Type'), qr{^application/json}, 'is JSON');
        Test::More::is($answer->header('Cache-Control'), 'no-store', 'no-store');
        Test::More::is(scalar(() = $answer->all('Set-Cookie')), 0, 'no cookie');
        Test::More::unlike(without_id($answer), qr/REMOTE_USER|eyJ/, 'nothing of the place, no token');
    });
    return;
}

1;
