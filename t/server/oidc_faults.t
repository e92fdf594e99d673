# SPDX-License-Identifier: Apache-2.0
# What an OpenID provider's endpoints answer when something is wrong with them: the right status in time, a
# line in the log, no session; and the next sign-in works.
use strict;
use warnings;
use EdxSSO::OIDF;
use EdxSSO::SignIn;
use EdxSSO::Test;

my $vhost = vhost('oidf');
home($vhost, qw(basic pushed));
my %PATH = (token => '/token', userinfo => '/userinfo', PAR => '/par');

# what is wrong, the status, Retry-After; `only` at some endpoints, `not` at others
my @cases = (
    ['html-400', 502], ['html-403', 502], ['html-404', 502], ['html-500', 502], ['html-502', 502], ['html-200', 502], ['empty', 502],
    ['not-json', 502], ['json-null', 502], ['json-array', 502], ['json-string', 502], ['deep-json', 502], ['duplicate-keys', 502],
    ['bad-utf8', 502], ['nul-byte', 502], ['wrong-type', 502], ['redirect', 502], ['redirect-307', 502],
    ['html-429', 503, 5], ['html-429-retry', 503, 17], ['html-503', 503, 5], ['html-503-retry', 503, 23],
    ['hang', 503, 5], ['reset', 503, 5], ['close', 503, 5], ['endless', 502], ['huge', 502], ['bomb', 502], ['huge-header', 502],
    ['garbage', '50[23]'], ['truncate', '50[23]'], ['bad-chunk', '50[23]'],
);
for my $endpoint (sort keys %PATH) {
    for my $case (@cases) {
        my ($preset, $status, $retry) = @$case;
        next if $preset eq 'hang' && $endpoint ne 'userinfo' && !slow(); # each takes the whole time-out
        subtest("$endpoint: $preset" => sub {
            my ($browser, $answer);
            my $at = $endpoint eq 'PAR' ? 'pushed' : 'basic';
            # userinfo is a GET, which may be asked for once more where a kept connection is dead
            my $again = $endpoint eq 'userinfo' && $preset =~ /^(?:reset|close|garbage)$/;
            in_time(13, 'in time', sub {
                oidc_reset(qw(basic pushed));
                oidc(user => { default => 'jane' });
                oidc(config => { jwks_alg => \0 });
                oidc(answer => { endpoint => $PATH{$endpoint}, preset => $preset, count => $again ? 0 : 1 });
                $browser = browser('oidf');
                $answer = come_back($browser, "/edxsso/login?provider=$at&next=/app");
            });
            like($answer->status, qr/^$status$/, 'status') or diag($answer->body);
            is($answer->header('Retry-After'), $answer->status == 503 ? $retry // 5 : undef, 'Retry-After');
            my $line = join '', log_lines(qr/\Q[error id @{[page_id($answer) \/\/ 'none']}]/);
            like($line, qr/SSO0[34]\d\d: (?:callback|login): $at: \Q$endpoint\E(?: endpoint)?: /, 'the line names provider and step');
            allow_log($line =~ /(SSO\d{4}):/);
            unlike(without_id($answer), qr/eyJ|evil|REMOTE_USER|Maintenance/, 'nothing of it is in the page');
            is($browser->get('/app')->status, 302, 'not signed in');
            cmp_ok(calls_of($endpoint eq 'PAR' ? 'par' : $endpoint), '<=', $again ? 2 : 1, 'asked once');
        });
    }
    oidc_reset(qw(basic pushed));
    oidc(user => { default => 'jane' });
    oidc(config => { jwks_alg => \0 });
    passes("$endpoint: afterwards", at => $endpoint eq 'PAR' ? 'pushed' : 'basic',
        calls => { token => 1, userinfo => 1, $endpoint eq 'PAR' ? (par => 1) : () });
}
done_testing();
