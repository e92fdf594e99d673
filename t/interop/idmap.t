# SPDX-License-Identifier: Apache-2.0
# Somebody signs in by (a stand-in) Entra and is, in an app of Django's RemoteUserMiddleware behind mod_proxy, the edX user
# whom an ID mapping of Django REST framework names; and apps for mod_auth_openidc read the claims they know.
use strict;
use warnings;
use Cwd ();
use File::Temp ();
use JSON::PP ();
use EdxSSO::Test;
use EdxSSO::Browser;
use EdxSSO::Httpd;
use EdxSSO::Servers;
use EdxSSO::SignIn;

if (my $lack = `/usr/bin/python3 -c 'import rest_framework' 2>&1`) {
    die $lack if $ENV{CI}; # there it has to be
    plan(skip_all => 'needs python3-djangorestframework');
}
plan(skip_all => 'needs the stand-in Entra of t/TEST') unless $ENV{ENTRA_ROOT};

my $folder = File::Temp::tempdir('edxsso-django-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $folder;
$ENV{EDXSSO_DJANGO_FOLDER} = $folder;
my $servers = EdxSSO::Servers->new;
my $django = $servers->start('/usr/bin/python3', '-B', 't/interop/django/site.py', 'serve');
my $program = Cwd::abs_path('t/interop/django/site.py');
open my $cgi, '>', "$folder/peer.cgi" or die "$!\n";
print {$cgi} "#!/bin/sh\nEDXSSO_DJANGO_FOLDER=$folder exec /usr/bin/python3 -B $program\n";
close $cgi;
chmod 0755, "$folder/peer.cgi";

my $port = EdxSSO::Httpd::free_port();
my $httpd = EdxSSO::Httpd->new(port => $port, modules => [qw(cgid authz_host)], config => <<"EOT")->start;
<EdxSSOProvider api edx>
    EdxSSOSignIn        off
    EdxSSOURLRoot       $django
    EdxSSOClientID      mapper
    EdxSSOClientSecret  mapper-secret
    EdxSSOIDMapping     api oa2-azuread-oauth2
</EdxSSOProvider>
<EdxSSOProvider entra entra>
    EdxSSOTenant        contoso.onmicrosoft.com
    EdxSSOAuthority     $ENV{ENTRA_ROOT}
    EdxSSOClientID      fa295920-228f-5d6b-82fd-aebf62c79b77
    EdxSSOClientSecret  s3cr~et.of_edx-1
    EdxSSOIDMapping     api oa2-azuread-oauth2
</EdxSSOProvider>
ProxyPass   /app $django/app
ScriptAlias /cgi $folder/peer.cgi
<LocationMatch "^/(app|cgi)">
    AuthType          edxsso
    EdxSSOClaimPrefix OIDC_CLAIM_
    Require           valid-user
</LocationMatch>
<Location "/edxsso/idmapping">
    EdxSSOIDMappingService on
    Require local
</Location>
EOT
EdxSSO::Log->watch($httpd->error_log, $httpd->pid_file);
allow_log('SSO0564');
entra(reset => {});

sub signed_in_as {
    my ($user, $path) = @_;
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    entra(user => { default => $user });
    my $answer = $browser->follow($browser->get($path));
    is($answer->status, 200, "$user signs in") or diag($answer->body);
    return ($browser, { $answer->body =~ /^(\w+)=(.*)$/mg });
}

# ---- the app behind mod_proxy
my ($browser, $seen) = signed_in_as('adele', '/app');
is($seen->{user}, 'jsmith', 'Django has the edX user of somebody of Entra');
is($seen->{email}, 'adele@contoso.com', 'and her address, as an app for mod_auth_openidc reads it');
is(scalar(my @groups = split /,/, $seen->{groups}), 3, 'and her groups');
my $answer = $browser->get('/app', headers => [['Remote-User', 'admin'], ['OIDC_CLAIM_email', 'x@evil.example'],
    ['oidc-claim_groups', 'admins']]);
like($answer->body, qr/^user=jsmith\nemail=adele\@contoso\.com$/m, 'which nobody can bring along');
unlike($answer->body, qr/evil|admins/, 'in any spelling');
(undef, $seen) = signed_in_as('nogroups', '/app');
like($seen->{user}, qr/^[0-9a-f-]{36}\@[0-9a-f-]{36}$/, 'who has no edX user is oid@tid');

# ---- the same app by CGI: variables
(undef, $seen) = signed_in_as('adele', '/cgi');
is($seen->{user}, 'jsmith', 'REMOTE_USER');
is($seen->{email}, 'adele@contoso.com', 'OIDC_CLAIM_email');

# ---- middleware: Django's own pagination upstream, ours downstream
sub ask {
    my ($query) = @_;
    return EdxSSO::Browser->new(base => $httpd->url, as => 'plain')->get("/edxsso/idmapping/api?$query");
}
EdxSSO::Browser->new(base => $django, as => 'plain')->get('/forget'); # its tokens, too: ours is replaced
$answer = ask('username=' . join(',', map { sprintf 'user%03d', $_ } 1 .. 120) . '&page_size=100');
is($answer->status, 200, '120 users') or diag($answer->body);
my $page = $answer->json;
is_deeply([@$page{qw(count num_pages current_page start)}], [120, 2, 1, 0], 'the pages');
is($page->{results}[99]{remote_id}, 'adele100@contoso.com', 'a hundred of them');
my $asked = EdxSSO::Browser->new(base => $django, as => 'plain')->get('/forget')->json->{asked};
is(scalar(@$asked), 3, 'by three questions, after a token that was not taken any more');

# what Django answers to the same question is what we answer
my $direct = EdxSSO::Browser->new(base => $django, as => 'plain');
my $token = $direct->request(POST => '/oauth2/access_token', body => 'grant_type=client_credentials&client_id=mapper'
    . '&client_secret=mapper-secret', headers => [['Content-Type', 'application/x-www-form-urlencoded']])->json->{access_token};
for my $query ('username=user001', 'username=user001,user002&username=user003', 'remote_id=adele5@contoso.com',
    'username=user001&remote_id=adele%40contoso.com', 'username=nobody', 'username=user001,user002,user003&page_size=2',
    'username=user001,user002,user003&page_size=2&page=2', 'username=user001&page_size=0', 'username=user001&page_size=abc',
    'username=' . join(',', map { sprintf 'user%03d', $_ } 1 .. 12), 'username=user001,user002,user003&page_size=2&page=last',
    'username=user001&page=7', 'username=user001&page=0') {
    my $theirs = $direct->get("/api/third_party_auth/v0/providers/oa2-azuread-oauth2/users?$query",
        headers => [['Authorization', "Bearer $token"]]);
    my $ours = ask($query);
    is($ours->status, $theirs->status, "$query: status");
    next if $ours->status != 200;
    my ($mine, $other) = ($ours->json, $theirs->json);
    for my $link (qw(next previous)) { # the same page of the same question, at another address
        ($mine->{$link}, $other->{$link}) = map { defined $_->{$link} ? { EdxSSO::Browser::query($_->{$link}) } : undef } $mine, $other;
    }
    is_deeply($mine, $other, "$query: answer");
}
allow_log('SSO1245');
done_testing();
