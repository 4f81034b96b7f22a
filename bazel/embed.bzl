"""Files as constants of a program, for what must work from its binary alone."""

def kith_embed(name, files, folder, header, function, namespace):
    """Generates {name}.cc, which defines `function` of `header`: every file by its path in `folder`.

    The header declares it as absl::Span<const EmbeddedFile>, EmbeddedFile as {name, text}.
    """
    delimiter = "kith_embedded"
    native.genrule(
        name = name,
        srcs = [files],
        outs = [name + ".cc"],
        # A file that holds the delimiter's end would not compile.
        cmd = """{{
            echo '#include "{header}"'
            echo 'namespace {namespace} {{ namespace {{ constexpr EmbeddedFile kFiles[] = {{'
            for file in $(SRCS); do
                printf '{{"%s", R"{delimiter}(' "$${{file#{folder}/}}"
                cat "$$file"
                echo '){delimiter}"}},'
            done
            echo '}}; }}'
            echo 'absl::Span<const EmbeddedFile> {function}() {{ return kFiles; }} }}'
        }} > $@""".format(
            delimiter = delimiter,
            folder = folder,
            function = function,
            header = header,
            namespace = namespace,
        ),
        message = "Embedding " + folder,
    )
