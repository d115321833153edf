//! The manual pages, made from the flags and their help.

use clap::Command;

use super::help::declared;

/// A manual page.
pub(crate) struct Manual {
    /// The file's name: `preflight-plan.1`.
    pub(crate) file: String,
    /// The command: `plan`; empty: the program itself.
    pub(crate) command: String,
    /// The page, in the language of `man(7)`.
    pub(crate) page: Vec<u8>,
}

/// The page of the program and of each command.
///
/// # Errors
///
/// What the writer says, which writes to memory.
pub(crate) fn manuals() -> std::io::Result<Vec<Manual>> {
    let mut program = declared();
    program.build();
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    let mut pages = vec![page(&program, "")?];
    for command in commands {
        pages.push(page(command, command.get_name())?);
    }
    Ok(pages)
}

fn page(command: &Command, name: &str) -> std::io::Result<Manual> {
    let title = if name.is_empty() { "preflight".to_owned() } else { format!("preflight-{name}") };
    let usage = if name.is_empty() { "preflight".to_owned() } else { format!("preflight {name}") };
    // The page's own name is that of its file, what is typed has a space in it.
    let command = command.clone().name(title.clone()).bin_name(usage).display_name(title.clone());
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command)
        .title(title.to_uppercase())
        .section("1")
        .source(concat!("preflight ", env!("CARGO_PKG_VERSION")))
        .manual("preflight");
    man.render(&mut page)?;
    Ok(Manual { file: format!("{title}.1"), command: name.to_owned(), page })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_with_its_flags() {
        let pages = manuals().unwrap();
        let text = |file: &str| {
            let page = pages.iter().find(|page| page.file == file).unwrap();
            String::from_utf8(page.page.clone()).unwrap()
        };
        let whole = text("preflight.1");
        assert!(whole.contains("SYNOPSIS") && whole.contains("central"), "{whole}");
        assert!(text("preflight-merge.1").contains("format"), "merge");
        assert_eq!(pages.len(), declared().get_subcommands().count() + 1);
    }
}
