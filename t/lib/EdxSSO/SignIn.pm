# SPDX-License-Identifier: Apache-2.0
package EdxSSO::SignIn;
# Signing in at the stand-ins, above all the LMS, step by step, and what a refusal has to look like.
#
#   lms_reset();                                  # the LMS as at its start, and no record
#   entra_reset([qw(single)], 'one'); oidc_reset('basic'); entra(...); oidc(...);     # the others
#   lms(fault => { name => 'iss-wrong' });        # its control API; without a second value a GET
#   my $answer = to_callback($browser, '/app');   # as far as the redirect back to us
#   signed_in($browser, 'alice', '/app', 'why');  # all the way: the app saw alice
#   refused($browser, $url, 'why', status => 400, log => 'SSO0550', calls => 0);
#   no_secrets();                                 # nothing of all this is in the error log
use strict;
use warnings;
use Exporter 'import';
use JSON::PP ();
use Test::More ();
use Time::HiRes ();
use EdxSSO::Browser;
use EdxSSO::Log;
our @EXPORT = qw(lms lms_reset lms_root lms_calls lms_last default_user to_callback signed_in refused no_secrets
    with_query page_id without_id entra entra_reset oidc oidc_reset refusal);

my @CALLBACKS = qw(http://127.0.0.1/complete/edx-oauth2/ http://localhost/complete/edx-oauth2/);
my $lms_root = $ENV{LMS_ROOT};
my %secrets; # value => what it is

# All calls go to this stand-in from now on.
sub lms_root { $lms_root = shift if @_; return $lms_root }

# The control API of a stand-in; without a value a GET.
sub control {
    my ($root, $what, $given) = @_;
    my $caller = EdxSSO::Browser->new(base => $root, as => 'plain');
    my $answer = defined $given
        ? $caller->request(POST => "/_ctl/$what", body => JSON::PP->new->encode($given),
            headers => [['Content-Type', 'application/json']])
        : $caller->get("/_ctl/$what");
    die "stand-in at $root: $what: " . $answer->status . ' ' . $answer->body . "\n" if $answer->status != 200;
    return $answer->json;
}

sub lms { return control($lms_root, @_) }
sub entra { return control($ENV{ENTRA_ROOT}, @_) }
sub oidc { return control($ENV{OIDC_ROOT}, @_) }

# As at their start, with the callbacks of these providers known to the applications (of the client).
sub entra_reset {
    my ($apps, @providers) = @_;
    entra(reset => {});
    my @uris = map { "http://localhost/edxsso/callback/$_" } @providers;
    entra(apps => { name => $_, redirect_uris => \@uris }) for @$apps;
    return;
}

sub oidc_reset {
    my (@providers) = @_;
    oidc(reset => {});
    oidc(clients => { client_id => 'rp', redirect_uris => [map { my $name = $_;
        map { "$_://localhost/edxsso/callback/$name" } qw(http https) } @providers] });
    return;
}

# As at its start. Providers of a virtual host with many are registered too.
sub lms_reset {
    my (@providers) = @_;
    keep_secrets();
    lms(reset => {});
    my $uris = join ' ', @CALLBACKS, map { ("http://localhost/edxsso/callback/$_") } 'lms', @providers;
    lms(clients => { client_id => $_,
        redirect_uris => $uris }) for qw(studio-sso public-app no-user-id consent-app);
    default_user('jsmith');
    return;
}

sub default_user { lms(user => { default => $_[0] }); return }

# How many calls an endpoint has had; the last of them.
sub lms_calls { return lms('requests?endpoint=' . ($_[0] // '/oauth2/access_token') . '&last=1')->{count} }
sub lms_last { return lms('requests?endpoint=' . ($_[0] // '/oauth2/access_token')
    . '&last=1')->{requests}[-1] }

sub keep_secrets {
    my $record = eval { lms('requests?endpoint=/oauth2/access_token&last=1000') } or return;
    for my $form (map { $_->{form} } @{ $record->{requests} }) {
        $secrets{ $form->{$_}[0] } = $_ for grep { defined $form->{$_} && length $form->{$_}[0] > 8 }
            qw(code code_verifier client_secret refresh_token);
    }
    return;
}

# From a place that needs sign-in to the redirect that leads back here; that answer's location is the callback.
sub to_callback {
    my ($browser, $url, %option) = @_;
    my $answer = $browser->get($url, %option);
    return $browser->follow($answer, while => sub { $_[0]->location !~ m{/edxsso/callback/|/complete/edx} });
}

sub with_query {
    my ($url, @pairs) = @_;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        $url .= ($url =~ /\?/ ? '&' : '?') . $name . '=' . EdxSSO::Browser::escape($value);
    }
    return $url;
}

# A whole sign-in as a user; the last answer is the app's.
sub signed_in {
    my ($browser, $user, $url, $why) = @_;
    default_user($user);
    my $answer = $browser->follow($browser->get($url));
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $ok = $answer->status == 200 && $answer->body =~ /^REMOTE_USER=\Q$user\E$/m;
    Test::More::ok($ok, $why // "$user signs in") or Test::More::diag($answer->status . "\n" . $answer->body);
    $secrets{ $_->{value} } = "cookie $_->{name}" for $browser->cookies;
    default_user('jsmith');
    return $answer;
}

sub page_id {
    my ($answer) = @_;
    return $answer->body =~ m{Error id: <code>([\w-]+)</code>|"error_id":\s*"([\w-]+)"} ? $1 // $2 : undef;
}

# What stands on a page besides its error id, in which any few characters may come up.
sub without_id {
    my ($answer) = @_;
    my $id = page_id($answer) // return $answer->body;
    return $answer->body =~ s/\Q$id\E//gr;
}

# The line of the log with an error id, and its number.
sub log_line_of {
    my ($id) = @_;
    for (1 .. 600) {
        my ($line) = log_lines(qr/\[error id \Q$id\E\]/);
        return ($line, $line =~ /\b(SSO\d{4}):/) if defined $line;
        select undef, undef, undef, 0.05;
    }
    return ('', 'nothing');
}

my %PAGE_HEADERS = (
    'Content-Security-Policy' => qr/default-src 'none';.*frame-ancestors 'none'/,
    'Cache-Control' => qr/^no-store$/, 'X-Content-Type-Options' => qr/^nosniff$/,
        'Referrer-Policy' => qr/^no-referrer$/,
);

# What a refusal has to look like. Options: status, log, says, not, retry_after, method, uncounted, as below.
sub refusal {
    my ($answer, %own) = @_;
    my $shown = ($own{method} // 'GET') ne 'HEAD';
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::is($answer->status, $own{status}, 'status') or Test::More::diag($answer->body);
    my ($line, $number) = ('', $own{log});
    if ($shown) {
        ($line, $number) = log_line_of(page_id($answer) // 'none at all');
        Test::More::like($number, qr/^(?:$own{log})$/,
            'the log line with the error id of the page') or Test::More::diag($line);
    }
    $own{uncounted} ? allow_log($number) : expect_log($number);
    Test::More::like($line, $own{says}, 'the log says it') if $own{says};
    if ($shown) {
        Test::More::like($answer->header($_) // '', $PAGE_HEADERS{$_}, $_) for sort keys %PAGE_HEADERS;
    }
    Test::More::is($answer->header('Retry-After'), $own{retry_after}, 'Retry-After');
    Test::More::unlike(without_id($answer), $_, "the page is without $_") for qr/eyJ/, qr/REMOTE_USER/,
        @{ $own{not} || [] };
    Test::More::ok(!(grep { /^(__Host-)?edxsso=[^;]/ } $answer->all('Set-Cookie')), 'no session cookie');
    return;
}

# A request that must not sign anybody in. Options: status, log (a number, or several with | between), calls (of
# the token endpoint: 1), app (/app),
# says (a pattern of the log line), retry_after, not (patterns that must not be in the page), next_user (undef:
# leave it
# out) and through (where that one signs in), uncounted (of its number there may be other lines), anew (a sub that
# returns another browser and URL: for what is refused at its time only, when the answer took over $PROMPT s); all
# others go to the request. Returns the answer.
my $PROMPT = 3;
sub refused {
    my ($browser, $url, $why, %want) = @_;
    my $alone = exists $want{next_user} && !defined $want{next_user};
    my %own = map { $_ => delete $want{$_} } qw(status log calls app says retry_after not next_user method uncounted
        through anew);
    my $app = $own{app} // '/app';
    my $answer;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::subtest($why => sub {
        my $before;
        for (1 .. 10) {
            $before = lms_calls();
            my $began = Time::HiRes::time();
            $answer = $browser->request($own{method} // 'GET', $url, %want);
            last if !$own{anew} || Time::HiRes::time() - $began < $PROMPT;
            allow_log(split /\|/, $own{log});
            ($browser, $url) = $own{anew}->();
        }
        refusal($answer, %own);
        Test::More::is(lms_calls() - $before, $own{calls} // 1, 'calls of the token endpoint');
        my $again = $browser->get($app);
        Test::More::ok($again->status == 302 && $again->body !~ /REMOTE_USER/, 'not signed in afterwards');
        return if $alone;
        my $other = EdxSSO::Browser->new(base => $browser->{base});
        signed_in($other, $own{next_user} // 'alice', $own{through} // $app,
            'another user signs in right after');
    });
    $secrets{ $_->{value} } = "cookie $_->{name}" for $browser->cookies;
    return $answer;
}

# What went back and forth in this test is not in the error log.
sub no_secrets {
    keep_secrets();
    my $log = join '', log_lines();
    my @found = map { "$secrets{$_} $_" } grep { length > 8 && index($log, $_) >= 0 } sort keys %secrets;
    push @found, $1 while $log =~ /(eyJ[\w-]{20,}\.[\w-]*)/g;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is("@found", '', scalar(keys %secrets) . ' secrets, none of them in the error log');
}

1;
