# A formula for a tap. npm run build:sally fills in what is between the signs, for the platforms that it has built. No brew has
# read it yet. Files for macOS must be signed first, and their sums put here (docs/installing.md).
class Sally < Formula
  desc "Log in once in the browser, then plain ssh works"
  homepage "https://github.com/sallyport/sallyport"
  version "@VERSION@"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "@BASE@/sally-@VERSION@-darwin-arm64"
      sha256 "@darwin-arm64@"
    end
    on_intel do
      url "@BASE@/sally-@VERSION@-darwin-x64"
      sha256 "@darwin-x64@"
    end
  end
  on_linux do
    on_arm do
      url "@BASE@/sally-@VERSION@-linux-arm64"
      sha256 "@linux-arm64@"
    end
    on_intel do
      url "@BASE@/sally-@VERSION@-linux-x64"
      sha256 "@linux-x64@"
    end
  end

  def install
    bin.install Dir["sally-*"].first => "sally"
    generate_completions_from_executable(bin/"sally", "completion")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/sally --version")
  end
end
