# SPDX-License-Identifier: Apache-2.0
# What an app behind sees of the user: each name and value, as environment and as headers.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Visitor;
use Encode ();
use JSON::PP ();

lms_reset();
allow_log(qw(SSO0564 SSO0145 SSO0353));

# NAME=value of the CGI app, names as they are
sub env_of { my ($answer) = @_; return map { /^([^=]+)=(.*)$/s ? ($1 => $2) : () } split /\n/, $answer->body }

# headers of the proxied app, names in lower case, several values in one
sub headers_of {
    my ($answer) = @_;
    my %headers;
    for my $line (split /\n/, ($answer->body =~ /\A[^\n]*\n(.*?)\n\n/s)[0] // '') {
        my ($name, $value) = $line =~ /^([^:]+): ?(.*)$/s or next;
        $headers{ lc $name } = exists $headers{ lc $name } ? "$headers{lc $name} // $value" : $value;
    }
    return %headers;
}

my ($true, $false) = (JSON::PP::true(), JSON::PP::false());
my %claims = (
    name        => "J\x{fc}rgen \x{1F600}",
    nothing     => undef,
    yes         => $true,
    no          => $false,
    below       => -5,
    real        => 1.5,
    list        => ['a', 'b,c', 'd\\e', 7, $true, ''],
    none        => [],
    object      => { a => [1, { b => 'x' }] },
    mixed       => ['a', { b => 1 }],
    withnull    => ['a', undef],
    control     => "a\nb\tc\x01d\x7fe\r\nX-Injected: 1",
    quote       => 'say "hi" \\ there',
    slash       => 'a/b',
    'dash-ed'   => 'changed',
    dash_ed     => 'plain',
    'b.a'       => 'dot',
    'b-a'       => 'dash',
    'http://x/y' => 'url',
    "caf\x{e9}" => 'one character',
    realm_access => { roles => ['one', 'two'] },
    resource_access => { studio => { roles => ['three'] } },
    tid         => 'no tenant of Entra',
    remoteish   => "x\x{85}y",
);
my $browser = visitor('export', '/cgi/both', claims => \%claims);
my $cgi = $browser->get('/cgi/both');
my %env = env_of($cgi);
my %proxied = headers_of($browser->get('/proxy/both'));
sub utf8 { return Encode::encode('UTF-8', $_[0]) }

# name of the variable, name of the header, value
my @names = (
    ['PROVIDER', 'Provider', 'lms'],
    ['USERNAME', 'Username', 'jsmith'],
    ['USER_ID',  'User-Id',  '42'],
    ['NAME',     'Name',     utf8($claims{name})],
    ['CLAIM_name', 'Claim-Name', utf8($claims{name})],
    ['CLAIM_nothing', 'Claim-Nothing', undef],
    ['CLAIM_yes', 'Claim-Yes', 'true'],
    ['CLAIM_no', 'Claim-No', 'false'],
    ['CLAIM_below', 'Claim-Below', '-5'],
    ['CLAIM_real', 'Claim-Real', '1.5'],
    ['CLAIM_list', 'Claim-List', 'a,b\\,c,d\\\\e,7,true,'],
    ['CLAIM_none', 'Claim-None', ''],
    ['CLAIM_object', 'Claim-Object', '{"a":[1,{"b":"x"}]}'],
    ['CLAIM_mixed', 'Claim-Mixed', '["a",{"b":1}]'],
    ['CLAIM_withnull', 'Claim-Withnull', '["a",null]'],
    ['CLAIM_control', 'Claim-Control', 'a b c d e  X-Injected: 1'],
    ['CLAIM_quote', 'Claim-Quote', 'say "hi" \\ there'],
    ['CLAIM_slash', 'Claim-Slash', 'a/b'],
    ['CLAIM_dash_ed', 'Claim-Dash-Ed', 'plain'],
    ['CLAIM_b_a', 'Claim-B-A', 'dash'],
    ['CLAIM_http___x_y', 'Claim-Http---X-Y', 'url'],
    ['CLAIM_caf_', 'Claim-Caf-', 'one character'],
    ['CLAIM_roles', 'Claim-Roles', 'one,two'],
    ['CLAIM_client', 'Claim-Client', 'three'],
    ['CLAIM_tid', 'Claim-Tid', 'no tenant of Entra'],
    ['CLAIM_gone', 'Claim-Gone', undef],
    ['CLAIM_remoteish', 'Claim-Remoteish', 'x y'],
    (map { ["CLAIM_$_", 'Claim-' . ucfirst $_, undef] } qw(aud exp iat azp nonce jti nbf at_hash)),
);
for my $case (@names) {
    my ($variable, $header, $value) = @$case;
    is($env{"EDXSSO_$variable"}, $value, "EDXSSO_$variable");
    is($proxied{ lc "Edxsso-$header" }, $value, "Edxsso-$header");
}
like($cgi->body, qr/^HTTP_EDXSSO_CLAIM_BELOW=-5$/m, 'a CGI app sees the headers too');
is($env{REMOTE_USER}, 'jsmith', 'REMOTE_USER');
is($env{AUTH_TYPE}, 'edxsso', 'AUTH_TYPE');
is($proxied{'remote-user'}, 'jsmith', 'Remote-User');
is($env{EDXSSO_EMAIL}, $proxied{'edxsso-email'}, 'the address is the same in both');
ok(!exists $env{EDXSSO_TENANT} && !exists $env{EDXSSO_REMOTE_ID}, 'what there is not is not there');
ok(!exists $proxied{'edxsso-claims'}, 'EDXSSO_CLAIMS is no header');
unlike($cgi->body, qr/^X-Injected/m, 'no header comes out of a claim');

my $all = eval { JSON::PP->new->utf8->decode($env{EDXSSO_CLAIMS}) };
ok($all, 'EDXSSO_CLAIMS is JSON') or diag($env{EDXSSO_CLAIMS});
is($all->{name}, $claims{name}, 'with strings as they are');
is_deeply($all->{list}, $claims{list}, 'with arrays');
is_deeply($all->{object}, $claims{object}, 'with objects');
is($all->{control}, $claims{control}, 'with control characters, as JSON writes them');
is($all->{'dash-ed'}, 'changed', 'with what lost its variable to another');
ok(!exists $all->{aud} && !exists $all->{exp} && !exists $all->{nothing}, 'without what is not exported');
is($cgi->header('X-Seen'), $env{EDXSSO_EMAIL}, '%{reqenv:EDXSSO_EMAIL} in an expression');
open my $log, '<', "$ENV{LMS_FILES}/export_log" or die "export_log: $!\n";
like(join('', <$log>), qr{^lms jsmith /cgi/both$}m, '%{EDXSSO_PROVIDER}e and %u in a log');

# how much of it: EdxSSOExport, EdxSSOExportClaims, EdxSSOClaimPrefix, EdxSSOClaimDelimiter
my @ways = (
    ['env',     { EDXSSO_PROVIDER => 'lms', EDXSSO_CLAIM_below => '-5', REMOTE_USER => 'jsmith',
            HTTP_EDXSSO_PROVIDER => undef, HTTP_REMOTE_USER => undef }, { 'edxsso-provider' => undef, 'remote-user' => undef }],
    ['headers', { EDXSSO_PROVIDER => undef, EDXSSO_CLAIMS => undef, REMOTE_USER => 'jsmith',
            HTTP_EDXSSO_PROVIDER => 'lms', HTTP_REMOTE_USER => 'jsmith' }, { 'edxsso-provider' => 'lms', 'edxsso-claim-below' => '-5' }],
    ['none',    { EDXSSO_PROVIDER => undef, EDXSSO_CLAIMS => undef, REMOTE_USER => 'jsmith',
            HTTP_EDXSSO_PROVIDER => undef, HTTP_REMOTE_USER => undef }, { 'edxsso-provider' => undef, 'remote-user' => undef }],
    ['some',    { EDXSSO_PROVIDER => 'lms', EDXSSO_CLAIM_below => undef, EDXSSO_CLAIM_email => 'jsmith@example.com',
            EDXSSO_CLAIM_administrator => 'false', EDXSSO_CLAIM_missing => undef },
        { 'edxsso-claim-email' => 'jsmith@example.com', 'edxsso-claim-below' => undef, 'remote-user' => 'jsmith' }],
    ['oidc',    { OIDC_CLAIM_below => '-5', EDXSSO_CLAIM_below => undef, EDXSSO_PROVIDER => 'lms', HTTP_OIDC_CLAIM_BELOW => '-5' },
        { 'oidc-claim-below' => '-5', 'edxsso-claim-below' => undef, 'edxsso-provider' => 'lms' }],
    ['empty',   { email => 'jsmith@example.com', HTTP_EMAIL => 'jsmith@example.com', below => undef },
        { email => 'jsmith@example.com', below => undef, 'edxsso-provider' => 'lms' }],
    ['emptyall', { email => undef, below => undef, EDXSSO_PROVIDER => 'lms', HTTP_EMAIL => undef }, { email => undef, below => undef }],
    ['bar',     { EDXSSO_CLAIM_list => 'a|b,c|d\\\\e|7|true|' }, { 'edxsso-claim-list' => 'a|b,c|d\\\\e|7|true|' }],
);
for my $case (@ways) {
    my ($way, $variables, $headers) = @$case;
    my %got = env_of($browser->get("/cgi/$way"));
    is($got{$_}, $variables->{$_}, "$way: variable $_") for sort keys %$variables;
    %got = headers_of($browser->get("/proxy/$way"));
    is($got{$_}, $headers->{$_}, "$way: header $_") for sort keys %$headers;
}
my $some = JSON::PP->new->utf8->decode({ env_of($browser->get('/cgi/some')) }->{EDXSSO_CLAIMS});
is_deeply([sort keys %$some], [qw(administrator aud email)], 'EDXSSO_CLAIMS has the claims asked for');

# a place that lets everybody pass knows who is there all the same
%env = env_of($browser->get('/pass/both'));
is($env{REMOTE_USER}, 'jsmith', 'pass: the user is known');
is($env{EDXSSO_PROVIDER}, 'lms', 'pass: and exported');
%env = env_of(browser('export')->get('/pass/both'));
ok(!exists $env{REMOTE_USER} && !grep({ /^(HTTP_)?(EDXSSO|REMOTE_USER)/ } keys %env), 'pass: nobody is nobody');
%env = env_of($browser->get('/open/both'));
ok(!exists $env{REMOTE_USER} && !grep({ /^(HTTP_)?EDXSSO/ } keys %env), 'open: nobody is known');

# too long for a header
my $big = 'x' x 40_000;
$browser = visitor('export', '/cgi/env', claims => { big => $big });
%env = env_of($browser->get('/cgi/env'));
is($env{EDXSSO_CLAIM_big}, $big, 'a claim of 40 kB is in the environment');
%proxied = headers_of($browser->get('/proxy/both'));
is($proxied{'edxsso-claim-big'}, undef, 'and not among the headers');
is($proxied{'edxsso-username'}, 'jsmith', 'which are there');
expect_log('SSO0606', 'a claim left out');

$browser = visitor('export', '/cgi/env', claims => { big => 'z' x 100_000 });
%env = env_of($browser->get('/cgi/env'));
is(length $env{EDXSSO_CLAIM_big}, 100_000, 'and one of 100 kB');
%proxied = headers_of($browser->get('/proxy/both'));
is($proxied{'edxsso-claim-big'}, undef, 'not among the headers either');
is($proxied{'edxsso-username'}, 'jsmith', 'which are there');
expect_log('SSO0606', 'a claim left out');

my $limit = 'y' x 8192;
$browser = visitor('export', '/cgi/env', claims => { big => $limit });
%proxied = headers_of($browser->get('/proxy/both'));
is($proxied{'edxsso-claim-big'}, $limit, '8 KiB fit');

# a name that a header cannot have
enter(browser('export'), '/cgi/both', claims => { preferred_username => "a\nb" });
expect_log('SSO0603', 'a user name with a control character');
lms_reset();
my $other = visitor('export', '/cgi/both', user => 'zoe');
%env = env_of($other->get('/cgi/both'));
is($env{REMOTE_USER}, 'zoe', 'another user right after');

done_testing();
