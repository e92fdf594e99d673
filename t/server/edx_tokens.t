# SPDX-License-Identifier: Apache-2.0
# The LMS's token, right and wrong: what is taken, what is refused, and as what.
use strict;
use warnings;
use EdxSSO::Httpd;
use EdxSSO::Test;
use EdxSSO::SignIn;
use JSON::PP ();
use Time::HiRes ();

allow_log('SSO0564', 'SSO1251'); # 1251: a claim that is no boolean where one is expected
my @MANY = qw(hmac hmaconly hmaclong trust trustkeys aud inline algs skew0 require url);
lms_reset(@MANY);

my $base = vhost('si_many');

# With the next token as the fault says: a browser that stands before the callback.
sub before_callback {
    my ($provider, $fault) = @_;
    my $browser = EdxSSO::Browser->new(base => $base);
    lms(fault => $fault) if defined $fault;
    return ($browser, to_callback($browser, "/edxsso/login?provider=$provider&next=/app")->location);
}

sub taken {
    my ($provider, $fault, $why, @has) = @_;
    my $app;
    for (1 .. 10) { # a token whose time is about to end has to be looked at before that
        my ($browser, $callback) = before_callback($provider, $fault);
        my $began = Time::HiRes::time();
        $app = $browser->follow($browser->get($callback));
        last if !ref $fault || !$fault->{shift} || Time::HiRes::time() - $began < 3;
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($app->body, qr/^EDXSSO_PROVIDER=$provider$/m, $why) or diag($app->status);
    like($app->body, $_, "$why: $_") for @has;
    return $app;
}

sub not_taken {
    my ($provider, $fault, $why, $status, $log, %option) = @_;
    my ($browser, $callback) = before_callback($provider, $fault);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $answer = refused($browser, $callback, $why, status => $status, log => $log,
        (ref $fault && $fault->{shift} ? (anew => sub { before_callback($provider, $fault) }) : ()),
        through => '/edxsso/login?provider=inline&next=/app', %option);
    return $answer;
}

# provider, fault (a name, or what it consists of), status, number; 200: taken, then what the app has to see
sub check_all {
    for my $case (@_) {
        my ($provider, $fault, $status, @more) = @$case;
        my $why = "$provider: " . (ref $fault
            ? JSON::PP->new->canonical->allow_nonref->encode($fault) : $fault);
        my $given = ref $fault ? $fault : { name => $fault };
        if ($status == 200) { taken($provider, $given, $why, @more) }
        else { not_taken($provider, $given, $why, $status, $more[0]) }
    }
    return;
}

# ---- signatures and headers
check_all(
    # no signature, or another algorithm than the keys'
    (map { [inline => $_, 400, 'SSO0156'] } qw(alg-none-signed alg-lower)),
    # its third segment is empty
    (map { [$_ => 'alg-none', 400, 'SSO0151'] } qw(hmac hmaconly trust trustkeys aud)),
    (map { [inline => $_, 400, 'SSO0151'] } qw(alg-none alg-None alg-NONE alg-nOnE alg-empty)),
    (map { [inline => { name => $_, sign_alg => 'RS512' }, 400,
        'SSO0156'] } qw(alg-none alg-None alg-NONE alg-nOnE)),
    [trust => { name => 'alg-none', sign_alg => 'RS512' }, 400, 'SSO0156|SSO0162'],
    [inline => 'alg-missing', 400, 'SSO0155'], [inline => 'alg-number', 400, 'SSO0154|SSO0155'],
    [inline => 'alg-mismatch', 400, 'SSO0161'],
    # the public key as a secret
    (map { [$_ => 'hs256-public-pem', 400, 'SSO0160|SSO0161'],
        [$_ => 'hs256-public-pem-stripped', 400, 'SSO0160|SSO0161'],
        [$_ => 'hs256-public-pkcs1', 400, 'SSO0160|SSO0161'],
            [$_ => 'hs256-public-der', 400, 'SSO0160|SSO0161'],
        [$_ => 'hs256-public-jwk', 400, 'SSO0160|SSO0161'],
            [$_ => 'hs256-empty-key', 400, 'SSO0160|SSO0161'] } qw(inline hmac)),
    # secrets, with and without EdxSSOJWSHMACKey
    # a secret shorter than the hash
    [hmac => 'hs256', 200], [hmac => 'hs384', 200], [hmac => 'hs512', 400, 'SSO0160'],
    [hmaclong => { alg => 'HS512', key => 'hs-wrong' }, 200],
        [hmaclong => { alg => 'HS256', key => 'hs-wrong' }, 200],
    [hmac => 'rs512', 200],
    [hmaconly => 'hs256', 200], [hmaconly => 'rs512', 400, 'SSO0160'],
    [inline => 'hs256', 400, 'SSO0160'], [inline => 'hs512', 400, 'SSO0160'],
    [hmac => 'hs256-wrong-key', 400, 'SSO0161'], [hmac => 'hs256-short', 400, 'SSO0161'],
    [hmac => { name => 'hs256', signature => 'flip' }, 400, 'SSO0161'],
        [hmac => { name => 'hs256', signature => 'long' }, 400, 'SSO0161'],
    [hmac => { name => 'hs256', signature => 'empty' }, 400, 'SSO0151'],
    # the right key type
    [inline => 'rs256', 200], [inline => 'rs384', 200], [inline => 'ps512', 200],
    [inline => 'es256', 400, 'SSO0160'], [inline => { alg => 'ES256', key => 'ec512' }, 400, 'SSO0160'],
    [inline => { alg => 'ES512', key => 'ec512' }, 400, 'SSO0160'],
    [algs => 'rs256', 200], [algs => 'ps512', 200], [algs => 'rs512', 400, 'SSO0157|SSO0160'],
        [algs => 'hs256', 400, 'SSO0157|SSO0160'],
    [inline => 'foreign-key', 400, 'SSO0161'], [inline => { alg => 'RS512', key => 'rsa1024' }, 400, 'SSO0161'],
    # kid orders the keys, no more; types as of old
    [inline => 'kid-none', 200], [inline => 'kid-right', 200], [inline => 'kid-wrong', 200],
        [inline => 'kid-path', 200],
    [inline => { name => 'foreign-key', kid => 'right' }, 400, 'SSO0161'],
        [inline => { name => 'foreign-key', kid => 'wrong' }, 400, 'SSO0161'],
    [inline => 'kid-number', 400, 'SSO0154'], [inline => 'kid-duplicate', 400, 'SSO0116'],
    [inline => 'legacy-header', 200], [inline => 'unversioned-2017', 200, qr/^REMOTE_USER=jsmith$/m],
    [inline => 'payload-spaces', 200],
    # what a header must not bring along
    (map { [inline => $_, 400, 'SSO0153'] } qw(crit crit-unknown b64 zip embedded-jwk jku x5u)),
        [inline => 'x5c', 400, 'SSO0153|SSO0161'],
    [inline => 'header-duplicate', 400, 'SSO0116'], [inline => 'header-array', 400, 'SSO0117|SSO0116'],
        [inline => 'header-not-json', 400, 'SSO0116'],
    # bytes
    # no JWT by its looks
    [inline => 'signature-empty', 400, 'SSO0151'], [inline => 'signature-padded', 502, 'SSO0452'],
    (map { [inline => "signature-$_", 400, 'SSO0161|SSO0152'] } qw(flipped short long tail)),
    [inline => { segments => 2 }, 502, 'SSO0452'], [inline => { suffix => '.e30' }, 502, 'SSO0452'],
    [inline => { raw => '..' }, 502, 'SSO0452'], [inline => { raw => 'a.b.c' }, 400, 'SSO0152|SSO0116'],
    [inline => { prefix => ' ' }, 502, 'SSO0452'], [inline => { suffix => "\n" }, 502, 'SSO0452'],
    [inline => { raw => join '.', ('A' x 300_000) x 3 }, 400, 'SSO0150'],
    (map { [inline => "payload-$_", 400, 'SSO0116|SSO0117|SSO0152'] } qw(array not-json trailing)),
    [inline => 'payload-empty', 502, 'SSO0452'],
    [inline => 'deep-33', 400, 'SSO0115'], [inline => 'deep-5000', 400, 'SSO0115'],
    [inline => { deep => 30 }, 200],
    [inline => 'claims-duplicate', 400, 'SSO0116'], [inline => 'username-duplicate', 400, 'SSO0116'],
);

# ---- EdxSSOTrustTokenEndpoint: a key that is not known, but never a token without a signature
check_all(
    [trust => 'rs512', 200], [trust => 'hs256', 200], [trust => 'foreign-key', 200],
    [trust => 'signature-empty', 400, 'SSO0151'], [trust => 'iss-wrong', 400, 'SSO0467'],
        [trust => 'exp-past', 400, 'SSO0461'],
    [trust => 'crit', 400, 'SSO0153'], [trust => 'sub-missing', 400, 'SSO0453'],
    [trustkeys => 'rs512', 200], [trustkeys => 'hs256', 200],
    [trustkeys => 'foreign-key', 400, 'SSO0161'], [trustkeys => 'signature-flipped', 400, 'SSO0161'],
);

# ---- iss, aud, times, version, sub
my $now = time;
check_all(
    [inline => 'iss-wrong', 400, 'SSO0467'], [inline => 'iss-missing', 400, 'SSO0466'],
        [inline => 'iss-slash', 400, 'SSO0467'],
    [inline => { claims => { iss => $ENV{LMS_ROOT} } }, 400, 'SSO0467'],
        [inline => { claims => { iss => uc "$ENV{LMS_ROOT}/oauth2" } }, 400, 'SSO0467'],
    # any audience, unless EdxSSOAudience says which
    [inline => 'aud-wrong', 200], [inline => 'aud-missing', 200], [inline => 'aud-number', 200],
        [inline => 'aud-client', 200],
    [aud => 'rs512', 200], [aud => 'aud-list', 200], [aud => { claims => { aud => 'second' } }, 200],
    [aud => 'aud-wrong', 400, 'SSO0468'], [aud => 'aud-missing', 400, 'SSO0468'],
        [aud => 'aud-list-wrong', 400, 'SSO0468'],
    [aud => 'aud-list-empty', 400, 'SSO0468'], [aud => 'aud-number', 400, 'SSO0468'],
        [aud => 'aud-client', 400, 'SSO0468'],
    [aud => { claims => { aud => { openedx => 1 } } }, 400, 'SSO0468'],
        [aud => { claims => { aud => [['openedx']] } }, 400, 'SSO0468'],
    [aud => { claims => { aud => 'OpenedX' } }, 400, 'SSO0468'],
        [aud => { claims => { aud => 'openedx second' } }, 400, 'SSO0468'],
    # times, with 60 s of leeway and with none
    [inline => 'exp-past', 400, 'SSO0461'], [inline => 'exp-just-past', 400, 'SSO0461'],
        [inline => 'exp-in-skew', 200],
    [inline => { shift => { exp => -55 } }, 200], [inline => { shift => { exp => -65 } }, 400, 'SSO0461'],
    [inline => 'exp-negative', 400, 'SSO0461'], [inline => { claims => { exp => 0 } }, 400, 'SSO0461'],
    # digits are a number, as in edX
    [inline => 'exp-missing', 400, 'SSO0460'], [inline => 'exp-string', 400, 'SSO0461'],
    [inline => { claims => { exp => '4000000000' } }, 200],
        [inline => { claims => { exp => 'never' } }, 400, 'SSO0460'], [inline => 'exp-null', 400, 'SSO0460'],
    [inline => 'exp-huge', 400, 'SSO0116|SSO0460'], [inline => 'exp-1e400', 400, 'SSO0116|SSO0460'],
    [inline => 'iat-30', 200], [inline => 'iat-300', 400, 'SSO0463'],
        [inline => { shift => { iat => 55 } }, 200], [inline => { shift => { iat => 65 } }, 400, 'SSO0463'],
    [inline => 'iat-missing', 400, 'SSO0462'], [inline => 'iat-string', 400, 'SSO0462'],
    [inline => 'nbf-future', 400, 'SSO0465'], [inline => 'nbf-past', 200],
        [inline => { shift => { nbf => 55 } }, 200],
    [inline => { shift => { nbf => 65 } }, 400, 'SSO0465'],
        [inline => { claims => { nbf => 'soon' } }, 400, 'SSO0464'],
    [skew0 => 'rs512', 200], [skew0 => 'exp-now', 400, 'SSO0461'], [skew0 => { shift => { exp => 30 } }, 200],
    [skew0 => { shift => { iat => 5 } }, 400, 'SSO0463'], [skew0 => { shift => { nbf => 5 } }, 400, 'SSO0465'],
    # versions of the LMS's claims
    [inline => 'version-absent', 200], [inline => { claims => { version => '1.9.7' } }, 200],
        [inline => { claims => { version => '1' } }, 200],
    [inline => 'version-2', 400, 'SSO0451'], [inline => { claims => { version => '10.0.0' } }, 400, 'SSO0451'],
    [inline => 'version-number', 400, 'SSO0450'], [inline => 'version-odd', 400, 'SSO0450'],
    [inline => { claims => { version => '' } }, 400, 'SSO0450'],
        [inline => { claims => { version => '-1.0' } }, 400, 'SSO0450'],
    [inline => 'sub-missing', 400, 'SSO0453'], [inline => 'sub-empty', 400, 'SSO0453'],
);

# ---- who it is
check_all(
    [inline => 'user-id-string', 200, qr/^EDXSSO_USER_ID=42$/m],
        [inline => 'rs512', 200, qr/^EDXSSO_USER_ID=42$/m],
    [inline => 'user-id-missing', 200, qr/^EDXSSO_USER_ID=e3bfe0e4e7c6693efba9c3a93ee7f31b$/m],
    [inline => 'name-null', 200, qr/^REMOTE_USER=jsmith$/m], [inline => 'email-missing', 200],
        [inline => 'profile-missing', 200],
    [inline => 'restricted', 200],
    [inline => { claims => { name => 'Zoë Müller-Şahin 🎓 李' } }, 200, qr/^EDXSSO_NAME=Zoë Müller-Şahin 🎓 李$/m],
    (map { [inline => { claims => { preferred_username => $_ } }, 200, qr/^REMOTE_USER=\Q$_\E$/m] }
        'a.b-c_d+e@f', 'jürgen', 'O\'Brien "x" <y>', 'a b', '../../etc/passwd', '%0d%0a', 'x' x 250, '$(id)',
            "李"),
    [inline => 'username-missing', 403, 'SSO0602'], [inline => 'username-empty', 403, 'SSO0602'],
    [inline => 'username-control', 400, 'SSO0603'], [inline => 'username-nul', 400, 'SSO0116'],
    [inline => { claims => { preferred_username => "a\x7fb" } }, 400, 'SSO0603'],
    [inline => { claims => { preferred_username => "a\xc2\x85b" } }, 400, 'SSO0603'],
    [inline => { claims => { preferred_username => "\t" } }, 400, 'SSO0603'],
    [require => 'rs512', 200], [require => 'name-null', 403, 'SSO0604'],
        [require => 'email-missing', 403, 'SSO0604'],
    [require => 'profile-missing', 403, 'SSO0604'],
    [inline => 'claim-control', 200, qr/^EDXSSO_NAME=a  Set-Cookie: evil=1   ?b$/m],
    [inline => 'claim-html', 200], [inline => { claims => { roles => [map { "role$_:" . 'x' x 30 } 1 .. 90] } },
        200, qr/^EDXSSO_CLAIM_roles=role1:x+,role2:/m],
);
{
    my $answer = not_taken(inline => { name => 'username-missing' }, 'no user name', 403, 'SSO0602');
    like($answer->body, qr/incomplete/i, 'the page says what kind of problem it is');
    like($answer->body, qr/preferred_username/, 'and which claim it is about');
    $answer = not_taken(require => { name => 'email-missing' }, 'no e-mail', 403, 'SSO0604');
    like($answer->body, qr/\bemail\b/, 'the page names the claim');
}
for my $user ('manyroles', 'zoe', 'noname', 'newbie', 'odd.name+tag@x-y_z') {
    signed_in(EdxSSO::Browser->new(base => $base), $user, '/edxsso/login?provider=inline&next=/app',
        "$user signs in");
}

# ---- claims that are too long, or too many: no crash, signed in or refused, httpd and backend well
for my $case (['claim-100k'], [{ claims => { name => 'x' x 9000 } }],
    [{ claims => { map { ("c$_" => $_) } 1 .. 400 } }],
    [{ claims => { roles => ['r' x 50_000, 's' x 50_000] } }],
        [{ claims => { 'x' x 3000 => 1, "a\r\nb" => 2, '' => 3 } }]) {
    my ($browser, $callback) = before_callback(inline => ref $case->[0] ? $case->[0] : { name => $case->[0] });
    my $answer = $browser->follow($browser->get($callback));
    my $name = ref $case->[0] ? 'claims ' . substr((sort keys %{ $case->[0]{claims} })[0], 0, 20) : $case->[0];
    like($answer->status, qr/^(200|400|502)$/, "a large token ($name): an answer");
    isnt($browser->get('/app')->status, 500, 'and no failure afterwards');
    if ($answer->status == 200) { like($answer->body, qr/^REMOTE_USER=jsmith$/m, 'signed in') }
    else { is($browser->get('/app')->status, 302, 'not signed in') }
}
allow_log('SSO0150', 'SSO0600', 'SSO0601', 'SSO0606');

# ---- each claim as each type: refused, or ignored
my @types = ([number => 7], [object => { a => 1 }], [array => ['x']], [true => JSON::PP::true], [null => undef],
    [text => 'x']);
my %outcome = ( # status by claim and type; 200 where not said
    iss => { map { $_->[0] => 400 } @types },
    sub => { map { $_->[0] => 400 } grep { $_->[0] ne 'text' } @types },
    exp => { map { $_->[0] => 400 } @types },
    iat => { map { $_->[0] => 400 } grep { $_->[0] ne 'number' } @types },
    nbf => { map { $_->[0] => 400 } grep { $_->[0] ne 'number' } @types },
    version => { map { $_->[0] => 400 } @types[1 .. 5] },
    preferred_username => { map { $_->[0] => 403 } @types[1 .. 4] },
);
$outcome{version}{number} = 400;
for my $claim (qw(iss sub exp iat nbf aud version preferred_username user_id name email family_name given_name scopes filters
    is_restricted email_verified administrator superuser grant_type roles sid tid)) {
    for my $type (@types) {
        my ($browser, $callback) = before_callback(inline => { claims => { $claim => $type->[1] } });
        my $answer = $browser->get($callback);
        my $status = $outcome{$claim}{ $type->[0] } // 302;
        is($answer->status, $status, "$claim as $type->[0]");
        is($browser->get('/app')->status, $status == 302 ? 200 : 302, "$claim as $type->[0]: " . ($status == 302
            ? 'signed in' : 'not signed in'));
    }
}
allow_log(map { "SSO0$_" } 450, 453, 460 .. 467, 602);

# ---- around the token: the endpoint's other members
check_all(
    (map { [inline => $_,
        200] } qw(expires-negative expires-missing expires-string expires-huge no-refresh-token refresh-null
        token-type-bearer token-type-missing scope-missing scope-list oidc-too)),
    [inline => 'opaque', 502, 'SSO0452'], [inline => 'no-access-token', 502, 'SSO0404'],
    [inline => 'access-token-number', 502, 'SSO0404'], [inline => 'access-token-null', 502, 'SSO0404'],
    [inline => 'error-200', 502, 'SSO0401'],
);
{
    lms(config => { mobile_opaque => JSON::PP::true });
    my ($browser, $callback) = before_callback('inline');
    my $answer = $browser->request(GET => $callback, headers => [['User-Agent',
        'Mozilla/5.0 (iPhone) edX Mobile']]);
    like($answer->status, qr/^(302|502)$/, 'an LMS that gives mobile apps opaque tokens');
    allow_log('SSO0452');
    lms(config => { mobile_opaque => JSON::PP::false });
}

# ---- keys from a URL, in every shape; rotated
my $httpd; # until the log has been looked at
{
    my $with = sub { my ($name,
        $what) = @_; return "<EdxSSOProvider $name edx>\nEdxSSOJWKS $what\n</EdxSSOProvider>\n" };
    my @shapes = qw(plain mixed two no-kid legacy duplicate-kid foreign enc rsa1024 e1 alg-rs256 oct ec empty);
    my @names = map { tr/-//dr } @shapes;
    my $sections = join '', (map { $with->($names[$_], "$ENV{LMS_ROOT}/_ctl/jwks?shape=$shapes[$_]") }
        0 .. $#shapes), $with->('gone', "$ENV{LMS_ROOT}/nothing-here");
    $httpd = EdxSSO::Httpd->new(modules => ['cgid'], config => <<"CONF" . $sections);
ScriptSock \@DIR\@/logs/cgid.sock
ScriptAlias /app "@{[Cwd::getcwd()]}/t/htdocs/show.cgi"
<Directory "@{[Cwd::getcwd()]}/t/htdocs">
Require all granted
</Directory>
EdxSSOURLRoot $ENV{LMS_ROOT}
EdxSSOClientID studio-sso
EdxSSOClientSecret studio-secret
EdxSSOJWKSMinRefresh 1s
<Location "/app">
AuthType edxsso
Require valid-user
</Location>
CONF
    no_secrets();
    log_clean(); # of the shared httpd
    $httpd->start;
    EdxSSO::Log->watch($httpd->error_log);
    allow_log('SSO0564', 'SSO0145', 'SSO0353', 'SSO0355', 'SSO0375', 'SSO0376', 'SSO0356');
    $base = $httpd->url;
    lms_reset(@names, 'gone');
    my $unusable = 'SSO0353|SSO0354|SSO0355|SSO0356|SSO0357|SSO0375|SSO0350|SSO0351';
    my @good = qw(plain mixed two nokid legacy duplicatekid ec);
    my @next = (next_user => undef);
    for my $name (@good) {
        taken($name, { name => $_ }, "keys '$name': $_") for qw(kid-none kid-right kid-wrong);
    }
    for my $case ([plain => 'foreign-key', 400, 'SSO0161'], [mixed => 'foreign-key', 400, 'SSO0161'],
        [nokid => 'foreign-key', 400, 'SSO0161'],
        [ec => 'foreign-key', 400, 'SSO0161'], [foreign => 'rs512', 400, 'SSO0161'],
            [legacy => 'rs256', 400, 'SSO0160'],
        [algrs256 => 'rs512', 400, 'SSO0160'], [oct => 'hs256', 400, 'SSO0160'],
            [plain => 'hs256-public-jwk', 400, 'SSO0160'],
        [ec => { alg => 'ES256', key => 'ec512' }, 400, 'SSO0161'],
        [enc => 'rs512', 502, $unusable], [rsa1024 => { alg => 'RS512', key => 'rsa1024' }, 502, $unusable],
            [e1 => 'rs512', 502, $unusable],
        [empty => 'rs512', 502, $unusable], [gone => 'rs512', 502, $unusable]) {
        my ($name, $fault, $status, $log) = @$case;
        not_taken($name, ref $fault ? $fault : { name => $fault }, "keys '$name': " . (ref $fault
            ? 'a forgery' : $fault), $status, $log, @next, uncounted => $status == 502);
    }
    taken(foreign => { name => 'foreign-key' }, 'a set with one key');
    taken(algrs256 => { name => 'rs256' }, 'a key for RS256');
    taken(ec => { alg => 'ES256', key => 'ec256' }, 'an EC key');
    taken(oct => { name => 'rs512' }, 'a set with a secret in it');

    # rotation: the new key is fetched at once, twice
    taken(plain => undef, 'before the rotation');
    for my $round (1 .. 4) {
        select undef, undef, undef, 1.3; # past EdxSSOJWKSMinRefresh
        # one of httpd's processes fetches the keys for nothing, the others still have those of before
        not_taken(plain => { name => 'foreign-key' }, "a forgery before rotation $round", 400, 'SSO0161', @next);
        select undef, undef, undef, 1.3;
        lms(rotate => { keep => 0 });
        taken(plain => undef, "rotation $round: signed in with the new key at once");
        taken(plain => undef, "rotation $round: and again");
    }
    lms_reset(@names, 'gone');
}

done_testing();
