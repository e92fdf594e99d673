# SPDX-License-Identifier: Apache-2.0
# Opaque tokens: asked about, remembered, revoked. And floods of garbage, of either kind: what they cost the
# provider is bounded, and who is there already does not feel it.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Token;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 ();
use POSIX ();

lms_reset();
allow_log(qw(SSO1131 SSO1135 SSO1136 SSO1143 SSO0680 SSO0353 SSO0354));
sub asked { return lms_calls('/_o/introspect') }
sub opaque { my ($token, %how) = @_; return program('bearer', '/opaque', token => $token, %how) }

# ---- a token that is one
my $zoe = lms_opaque('zoe', 'email+profile');
my $answer = opaque($zoe);
is($answer->status, 200, 'an opaque token') or diag($answer->body);
my $seen = seen($answer);
is($seen->{REMOTE_USER}, 'zoe', 'REMOTE_USER is the username');
is($seen->{EDXSSO_USERNAME}, 'zoe', 'EDXSSO_USERNAME, too');
is($seen->{EDXSSO_PROVIDER}, 'lms', 'the provider');
is($seen->{EDXSSO_CLAIM_scope}, 'email profile', 'its scope');
is($seen->{EDXSSO_CLAIM_active}, undef, 'nothing else of the answer that is no claim');
is(opaque($zoe)->status, 200, 'again') for 1 .. 3;
is(asked(), 1, 'asked about once');
is_refused(opaque($zoe, scheme => 'JWT'), 401, 'invalid_token', 'not as JWT');
is(asked(), 1, '... which nobody is asked about');
is_refused(program('bearer', '/refused', token => $zoe), 403, 'insufficient_scope', 'its scope counts', scope => 'grades:read certificates:read');
is_refused(program('bearer', '/entra', token => $zoe), 401, 'invalid_token', 'a provider without introspection');
my ($request) = @{ lms('requests?endpoint=/_o/introspect&last=1')->{requests} };
is($request->{form}{token}[0], $zoe, 'the token is posted');
is($request->{form}{client_id}[0], 'studio-sso', 'by this client');
is($request->{raw_query} // '', '', 'nothing in the query');

# ---- refused
is_refused(opaque('nothing-of-the-kind'), 401, 'invalid_token', 'an unknown token') for 1, 2;
is(asked(), 2, 'asked about once');
lms(answer => { endpoint => '/_o/introspect', status => 500, body => 'x' });
is(opaque('server-error')->status, 502, 'the provider fails: 502');
expect_log('SSO1150', '500');
lms(answer => { endpoint => '/_o/introspect', status => 200, headers => [['Content-Type', 'text/html']], body => '<html>' });
is(opaque('html')->status, 502, 'no JSON: 502');
expect_log('SSO1151', 'HTML');
is(program('bearer', '/wrongclient', token => 'x')->status, 502, 'a wrong client secret: 502');
expect_log('SSO1150', '403');
for my $body ('{"active":"true","username":"zoe"}', '{"active":1,"username":"zoe"}', '{"username":"zoe"}', '{"active":true}',
    '{"active":true,"username":"zoe","aud":"other"}', '{"active":true,"username":"zoe","iss":"http://evil.test"}', '{"active":true,"username":"zoe","cnf":{}}') {
    lms(answer => { endpoint => '/_o/introspect', status => 200, headers => [['Content-Type', 'application/json']], body => $body });
    is_refused(opaque('t' . unpack '%32C*', $body), 401, 'invalid_token', $body);
}

# ---- keys that come from a URL
my $tid = '634aea33-7309-5fb7-9392-e7e153923083';
my $keys = "/$tid/discovery/v2.0/keys";
sub fetches {
    my $caller = EdxSSO::Browser->new(base => $ENV{ENTRA_ROOT}, as => 'plain');
    return $caller->get("/_ctl/requests?endpoint=$keys&last=1")->json->{count};
}
sub of_entra {
    my %claims = (ver => '2.0', iss => "$ENV{ENTRA_ROOT}/$tid/v2.0", aud => 'api://studio');
    return entra(mint => { app => 'single', resource => 'api://studio', scopes => ['api://studio/read'], fault => { for => 'access', claims => \%claims } })->{access_token};
}

# ---- keys that are gone take what was remembered with them
{
    my $rotated = sub { program('bearer', '/rotating', token => $_[0])->status };
    my $old = of_entra();
    is($rotated->($old), 200, 'a token by the old key') for 1, 2;
    entra(rotate => { keep => 0 });
    my $new = of_entra();
    my $status;
    for (1 .. 1000) {
        last if ($status = $rotated->($new)) == 200;
        select undef, undef, undef, 0.05;
    }
    is($status, 200, 'a token by a new key brings the new keys');
    my $refused = 0; # by every process, once it has heard of it (EdxSSOJWKSCacheTTL)
    for (1 .. 3000) {
        last if ($refused = $rotated->($old) == 401 ? $refused + 1 : 0) == 12;
        select undef, undef, undef, 0.02;
    }
    is($refused, 12, 'the old key is gone, and so is what was remembered');
    is($rotated->($new), 200, 'the new one stays');
    entra(reset => {});
}

# ---- 10,000 texts that are no tokens, of either kind
# As fast as one client can: a hundred requests on each connection, all sent before the first answer is read.
sub flood {
    my ($path, @tokens) = @_;
    my ($authority) = vhost('bearer') =~ m{//(.*)};
    my %status;
    while (my @some = @tokens[0 .. ($#tokens < 99 ? $#tokens : 99)]) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $authority =~ s/.*://r, Timeout => 20) or die "flood: $!\n";
        my $text = join '', map { "GET $path HTTP/1.1\r\nHost: $authority\r\nAuthorization: Bearer $_\r\n\r\n" } @some;
        my $writer = fork // die "fork: $!\n";
        if (!$writer) {
            print {$socket} $text;
            $socket->flush;
            POSIX::_exit(0);
        }
        my $answers = '';
        while (sysread $socket, $answers, 65536, length $answers) {
            last if substr($answers, -2) eq "}\n" && @some == (() = $answers =~ m{^HTTP/1\.1 \d}mg);
        }
        close $socket;
        waitpid $writer, 0;
        my @got = $answers =~ m{^HTTP/1\.1 (\d+)}mg or die "flood: no answer\n";
        $status{$_}++ for @got;
        splice @tokens, 0, scalar @got;
    }
    return \%status;
}
my $MANY = 10_000;

is(opaque($zoe)->status, 200, 'a customer');
my $before = asked();
my $began = time;
my @garbage = map { "garbage-$_" } 1 .. (slow() ? $MANY : 600); # httpd ends a connection with each 503
my $seen_by_flood = flood('/opaque', @garbage);
my $minutes = 2 + int((time - $began) / 60);
is(($seen_by_flood->{401} // 0) + ($seen_by_flood->{503} // 0), @garbage, @garbage . " texts: refused, or told to come back") or diag(explain($seen_by_flood));
cmp_ok(asked() - $before, '<=', 100 * $minutes, 'the provider is asked about 100 of them a minute at most');
cmp_ok($seen_by_flood->{503}, '>', @garbage - 100 * $minutes - 1, 'the others cost nobody anything');
is(opaque($zoe)->status, 200, 'the customer does not feel it');
# The count is of a minute by the clock: if it has begun anew meanwhile, a hundred more are asked about.
my $new;
for my $many (1 .. 250) {
    $new = opaque("one-more-$many");
    last if $new->status == 503;
}
is($new->header('Retry-After'), '5', 'who is new is told when to come back');

# tokens by keys that do not exist: the provider's keys are fetched anew once a minute at most
my $good = of_entra();
is(program('bearer', '/entra', token => $good)->status, 200, 'a token of Entra');
my ($head, $body, $signature) = split /\./, $good;
my $header = JSON::PP::decode_json(MIME::Base64::decode_base64url($head));
$before = fetches();
$began = time;
$seen_by_flood = flood('/entra', map {
    join '.', MIME::Base64::encode_base64url(JSON::PP::encode_json({ %$header, kid => "no-$_" })), $body, $signature
} 1 .. $MANY);
is($seen_by_flood->{401}, $MANY, "$MANY tokens by unknown keys: refused") or diag(explain($seen_by_flood));
cmp_ok(fetches() - $before, '<=', 2 + int((time - $began) / 60), 'the keys are fetched anew once, and once a minute');
is(program('bearer', '/entra', token => $good)->status, 200, 'a good one is good all the while');

done_testing();
