{{/*
The server's aclfile, from files/acl/users.yaml. Passwords appear as SHA-256 only.

  include "stanine.acl.file" (dict "root" $ "namespace" "stanine" "passwords" (dict "api" (list "new" "old") …) "withOperator" true "oldServer" false)

passwords     by user, each a list: all of them are valid, so that a password can change without rejected connections. A user
              without passwords is omitted.
withOperator  whether the operator loads the function libraries; if not, the services are permitted to.
oldServer     the server is a Redis before 7.2, which rejects an aclfile with newer commands.
*/}}
{{- define "stanine.acl.file" -}}
{{- $given := . -}}
{{- $rules := $given.root.Files.Get "files/acl/users.yaml" | fromYaml -}}
user default off resetpass resetkeys resetchannels -@all
user health on nopass resetkeys resetchannels -@all +ping
{{- range $name := keys $rules.users | sortAlpha }}
{{- $user := get $rules.users $name }}
{{- $passwords := get $given.passwords $name }}
{{- if $passwords }}
{{- $words := list "user" $name "on" }}
{{- range $passwords }}{{ $words = append $words (printf "#%s" (sha256sum .)) }}{{ end }}
{{- $words = concat $words (list "resetkeys" "resetchannels") }}
{{- range $user.read }}{{ $words = append $words (printf "%%R~%s" .) }}{{ end }}
{{- range $user.readWrite }}{{ $words = append $words (printf "~%s" .) }}{{ end }}
{{- range $user.channels }}{{ $words = append $words (printf "&%s" .) }}{{ end }}
{{- $words = append $words "-@all" }}
{{- $sets := $user.commandSets }}
{{- if or (eq $user.loadsFunctions "always") (and (eq $user.loadsFunctions "withoutOperator") (not $given.withOperator)) }}
{{- $sets = append $sets "loading" }}
{{- end }}
{{- $commands := $user.commands | default list }}
{{- range $sets }}{{ $commands = concat $commands (get $rules.commandSets .) }}{{ end }}
{{- range $commands | uniq | sortAlpha }}
{{- if not (and $given.oldServer (has . $rules.sinceRedis72)) }}{{ $words = append $words (printf "+%s" .) }}{{ end }}
{{- end }}
{{- range $user.selectors }}
{{- $rule := list }}
{{- range .readWrite }}{{ $rule = append $rule (printf "~%s" .) }}{{ end }}
{{- range .commands | sortAlpha }}{{ $rule = append $rule (printf "+%s" .) }}{{ end }}
{{- $words = append $words (printf "(%s)" (join " " $rule)) }}
{{- end }}
{{ join " " $words | replace "NS:" (printf "%s:" $given.namespace) }}
{{- end }}
{{- end }}
{{ end }}
