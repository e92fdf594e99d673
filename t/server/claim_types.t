# SPDX-License-Identifier: Apache-2.0
# Each claim as each type of JSON: refused or ignored, never believed as something else, and nothing falls over.
use strict;
use warnings;
use EdxSSO::OIDF;
use EdxSSO::SignIn;
use EdxSSO::Test;

my %TYPES = (number => 7, 'a real' => 1.5, true => \1, null => undef, list => ['x', 'y'], 'an empty list' => [], object => { x => 'y' },
    'an empty text' => '', mixed => [1, { a => [] }, undef]);
my $PARTS = 'iss sub aud exp iat nbf nonce azp at_hash c_hash';
my @OTHERS = qw(name given_name family_name middle_name nickname preferred_username profile picture website email email_verified gender
    birthdate zoneinfo locale phone_number phone_number_verified address updated_at sid acr amr auth_time s_hash jti groups roles upn tid oid
    idp acct ver hasgroups typ scope client_id _claim_names _claim_sources realm_access);

home(vhost('oidf'), qw(quiet));
allow_log(qw(SSO0564 SSO0822 SSO0873));

# What a sign-in comes to with these claims.
sub attempt {
    my (%claims) = @_;
    oidc_reset('quiet');
    oidc(user => { default => 'jane' });
    oidc(config => { jwks_alg => \0 });
    oidc(fault => { for => 'id', count => 1, claims => \%claims });
    my $browser = browser('oidf');
    return ($browser, come_back($browser, '/edxsso/login?provider=quiet&next=/app'));
}

for my $name (split ' ', $PARTS) {
    subtest("$name, which decides" => sub {
        for my $type (sort keys %TYPES) {
            next if $name =~ /^(nbf|exp|iat)$/ && $type eq 'number'; # that is what they are
            my ($browser, $answer) = attempt($name => $TYPES{$type});
            my $none = $name =~ /^(nbf|azp|at_hash|c_hash)$/ && !defined $TYPES{$type}; # null: as good as left out
            if ($none && $answer->status == 200) { pass("$type: as if it were not there"); next }
            is($answer->status, 400, "$type: refused") or diag($answer->body);
            my ($line) = log_lines(qr/\Q[error id @{[page_id($answer) \/\/ 'none']}]/);
            like($line // '', qr/SSO0[1-4]\d\d: callback: quiet: id_token: /, '... for a reason') and allow_log($line =~ /(SSO\d{4}):/);
            is($browser->get('/app')->status, 302, '... and not signed in');
        }
    });
}
for my $type (sort keys %TYPES) {
    subtest("all others as $type" => sub {
        my ($browser, $answer) = attempt(map { $_ => $TYPES{$type} } @OTHERS);
        is($answer->status, 200, 'signed in') or diag($answer->body);
        my %seen = $answer->body =~ /^(\w+)=(.*)$/mg;
        is($seen{REMOTE_USER}, '248289761414@127.0.0.1', 'as who it is');
        my ($name) = @seen{qw(EDXSSO_USERNAME)};
        ok(!defined $name || $name !~ /HASH|ARRAY|null/, 'the user name is a text, or none');
        is($browser->get('/edxsso/session', as => 'fetch')->status, 200, 'and the session can be shown');
        ok($browser->get('/edxsso/session', as => 'fetch')->json, 'as JSON');
    });
}

# ---- what Entra decides by
my @ENTRA = qw(tid oid ver idp acct hasgroups groups roles);
entra_reset([qw(groups)], 'v2');
entra(user => { default => 'adele' });
for my $claim (@ENTRA) {
    subtest("Entra: $claim" => sub {
        for my $type (sort keys %TYPES) {
            entra(fault => { for => 'id', count => 1, claims => { $claim => $TYPES{$type} } });
            my $browser = browser('entra_more');
            my $answer = $browser->follow($browser->get('/edxsso/login?provider=v2&next=/app'));
            my $must = $claim eq 'tid' ? qr/^400$/ : $claim eq 'oid' ? qr/^403$/ : qr/^200$/;
            like($answer->status, $must, $type) or diag($answer->body);
            next if $answer->status == 200;
            my ($line) = log_lines(qr/\Q[error id @{[page_id($answer) \/\/ 'none']}]/);
            like($line // '', qr/SSO0(484|602): callback: v2: /, '... for a reason') and allow_log($line =~ /(SSO\d{4}):/);
            is($browser->get('/app')->status, 302, '... and not signed in');
        }
    });
}
done_testing();
